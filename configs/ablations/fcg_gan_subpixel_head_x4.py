# A sub-pixel convolution replaces the upsampling stages, and the trunk has 15 blocks instead of 8, with similar MACs.
_base_ = '../fcg_gan_x4.py'

model = dict(generator=dict(subpixel_head=True, trunk=dict(num_blocks=15)))
