# ESRGAN for the comparison, first part; the same schedule and faces as fcg_gan_mse_x4.
_base_ = ['srgan_mse_x4.py', '../_base_/rrdb.py']

model = dict(generator=dict(trunk=_base_.rrdb))
