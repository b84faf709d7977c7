# HRRM pre-training; J is the solution of the rain model for the predicted S, T and A, with a correction.
_base_ = '../hrrm_x4.py'

model = dict(rain_removal=dict(inverse=True))
