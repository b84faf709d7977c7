# The face is drawn at low resolution, and what that saves goes to the trunk: 15 blocks instead of 8.
_base_ = '../fcg_gan_x4.py'

model = dict(generator=dict(subpixel_head=True, trunk=dict(num_blocks=15)))
