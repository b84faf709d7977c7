# The paper's network without its perceptual loss (eq. 27).
_base_ = '../fcg_gan_x4.py'

model = dict(perceptual_loss=None)
