# ESRGAN at the size of Wang et al. (2018): 23 RRDBs of 64 channels with growth 32, at their learning rates of 2e-4 for
# the pixel loss and 1e-4 with the discriminator.
_base_ = '../esrgan/esrgan_x4.py'

model = dict(
    generator=dict(trunk=dict(network=dict(mid_channels=64, num_blocks=23, growth_channels=32)), channels=64),
    discriminator=dict(base_channels=64),
)
optim_wrapper = dict(generator=dict(optimizer=dict(lr=1e-4)), discriminator=dict(optimizer=dict(lr=1e-4)))
