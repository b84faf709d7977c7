# The mean absolute error of the restored face; at the size of the errors here it weighs as much as the squared one.
_base_ = '../fcg_gan_x4.py'

model = dict(pixel_loss=dict(_delete_=True, type='mmagic.L1Loss', loss_weight=0.1))
