# The parsed face decides which features of the trunk count where.
_base_ = '../fcg_gan_x4.py'

model = dict(generator=dict(attention=True))
