# FPM pre-training on the rainy image alone, for face_sr_x4.py.
_base_ = '../fpm_x4.py'

model = dict(rain_removal=None)
