# The mean PSNR of the faces in place of their mean squared error; the weights give both a similar gradient.
_base_ = '../fcg_gan_x4.py'

model = dict(pixel_loss=dict(_delete_=True, type='mmagic.PSNRLoss', loss_weight=1e-3))
