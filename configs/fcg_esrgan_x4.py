# The paper's network with ESRGAN's trunk in the place of SRGAN's.
_base_ = ['fcg_gan_x4.py', '_base_/rrdb.py']

model = dict(generator=dict(trunk=_base_.rrdb))
