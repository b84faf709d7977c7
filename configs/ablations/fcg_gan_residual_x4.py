# The generator predicts the difference between the face and the enlarged J.
_base_ = '../fcg_gan_x4.py'

model = dict(generator=dict(residual=True))
