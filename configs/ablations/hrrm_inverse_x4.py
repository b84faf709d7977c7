# HRRM pre-training; J is mixed with the J that solves the rain model for the predicted S, T and A.
_base_ = '../hrrm_x4.py'

model = dict(rain_removal=dict(inverse=True))
