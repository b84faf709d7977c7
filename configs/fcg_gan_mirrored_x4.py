# H averaged with that of the mirror image. tools/test.py configs/fcg_gan_mirrored_x4.py rainrestore://fcg_gan_x4
_base_ = 'fcg_gan_x4.py'

model = dict(type='MirroredFCGGAN')
train_dataloader = train_cfg = optim_wrapper = None
