# SRGAN at the size of Ledig et al. (2017): 16 blocks of 64 channels, a discriminator of 64.
_base_ = '../srgan/srgan_x4.py'

model = dict(generator=dict(trunk=dict(channels=64, num_blocks=16), channels=64), discriminator=dict(base_channels=64))
