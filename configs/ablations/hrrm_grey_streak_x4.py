# HRRM with one channel for S: rain without colour, which cannot hold the colours of J.
_base_ = '../hrrm_x4.py'

model = dict(rain_removal=dict(streak_channels=1))
