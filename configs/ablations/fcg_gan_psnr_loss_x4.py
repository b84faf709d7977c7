# The mean PSNR of the faces instead of their mean squared error; at the size of the errors here it weighs as much.
_base_ = '../fcg_gan_x4.py'

model = dict(pixel_loss=dict(_delete_=True, type='mmagic.PSNRLoss', loss_weight=1e-3))
