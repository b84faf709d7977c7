# HRRM with one channel for S: grey rain, which cannot contain the colours of J.
_base_ = '../hrrm_x4.py'

model = dict(rain_removal=dict(streak_channels=1))
