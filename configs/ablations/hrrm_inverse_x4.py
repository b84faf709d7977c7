# HRRM pre-training, J mixed with the rain model solved for it by the module's own S, T and A.
_base_ = '../hrrm_x4.py'

model = dict(rain_removal=dict(inverse=True))
