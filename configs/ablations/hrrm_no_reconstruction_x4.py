# HRRM pre-training without the reconstruction of I (second term of eq. 18), also in L_vgg.
_base_ = '../hrrm_x4.py'

model = dict(rain_loss=dict(reconstruction_weight=0))
