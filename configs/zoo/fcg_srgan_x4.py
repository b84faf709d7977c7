# HRRM + FPM + SRGAN for the comparison, second part: fcg_gan_x4 without local discriminators, from the same first part.
_base_ = 'fcg_gan_x4.py'

model = dict(local_discriminators=None, local_adversarial_loss=None)
