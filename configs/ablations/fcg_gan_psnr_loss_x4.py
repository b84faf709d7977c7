# The negative mean PSNR of the faces in place of the mean squared error. With the weight of 1e-3 both have equal
# gradients for a face of 23.6 dB.
_base_ = '../fcg_gan_x4.py'

model = dict(pixel_loss=dict(_delete_=True, type='mmagic.PSNRLoss', loss_weight=1e-3))
