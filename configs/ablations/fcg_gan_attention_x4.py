# The parsed face modulates the features of the trunk at each pixel.
_base_ = '../fcg_gan_x4.py'

model = dict(generator=dict(attention=True))
