# Gates computed from the features of the trunk and the parsed face multiply the features at each pixel.
_base_ = '../fcg_gan_x4.py'

model = dict(generator=dict(attention=True))
