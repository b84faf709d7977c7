# The mean absolute error of the restored face; the weight gives it a gradient similar to the squared error's.
_base_ = '../fcg_gan_x4.py'

model = dict(pixel_loss=dict(_delete_=True, type='mmagic.L1Loss', loss_weight=0.1))
