# HRRM pre-training without L_vgg (eq. 20).
_base_ = '../hrrm_x4.py'

model = dict(perceptual_loss=None)
