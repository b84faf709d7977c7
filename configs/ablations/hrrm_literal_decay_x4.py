# The paper's optimiser: Adam with weight decay 1e-4.
_base_ = '../hrrm_x4.py'

optim_wrapper = dict(optimizer=dict(weight_decay=1e-4))
