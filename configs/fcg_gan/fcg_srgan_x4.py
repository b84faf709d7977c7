# HRRM + FPM + SRGAN: the paper's network without local discriminators.
_base_ = '../fcg_gan_x4.py'

model = dict(local_discriminators=None, local_adversarial_loss=None)
