# ESRGAN for the comparison, second part; the same schedule and faces as fcg_gan_x4.
_base_ = ['srgan_x4.py', '../_base_/rrdb.py']

model = dict(generator=dict(trunk=_base_.rrdb), adversarial_loss=dict(type='RelativisticAdversarialLoss'))
