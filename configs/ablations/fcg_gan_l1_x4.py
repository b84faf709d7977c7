# The mean absolute error of the restored face in place of the mean squared error. With the weight of 0.1 both have
# equal gradients at an error of 0.05.
_base_ = '../fcg_gan_x4.py'

model = dict(pixel_loss=dict(_delete_=True, type='mmagic.L1Loss', loss_weight=0.1))
