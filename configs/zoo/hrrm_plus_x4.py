# hrrm_plus_x4, last part: from the third part's weights (load_from), without weight decay.
_base_ = 'hrrm_plus_third_x4.py'

max_iters = 12_000
optim_wrapper = dict(optimizer=dict(lr=4e-4, weight_decay=0))
train_cfg = dict(max_iters=max_iters, val_interval=3000)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min_ratio=0.01)]
