# Mean of the outputs H for the input and its mirror image: rainrestore test fcg_gan_mirrored_x4 rainrestore://fcg_gan_x4
_base_ = '../fcg_gan_x4.py'

model = dict(type='MirroredFCGGAN')
train_dataloader = train_cfg = optim_wrapper = None
