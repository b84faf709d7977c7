# HRRM pre-training without weight decay.
_base_ = '../hrrm_x4.py'

optim_wrapper = dict(optimizer=dict(weight_decay=0))
