# HRRM pre-training, J mixed with the solution of the rain model for the predicted S, T and A.
_base_ = '../hrrm_x4.py'

model = dict(rain_removal=dict(inverse=True))
