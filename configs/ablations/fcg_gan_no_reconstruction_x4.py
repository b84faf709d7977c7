# The paper's network without the reconstruction of I (second term of eq. 18).
_base_ = '../fcg_gan_x4.py'

model = dict(rain_loss=dict(reconstruction_weight=0))
