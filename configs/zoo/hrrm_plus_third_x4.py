# hrrm_plus_x4, third part: once more from the second part's weights (load_from).
_base_ = 'hrrm_plus_second_x4.py'

max_iters = 6500
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min_ratio=0.02)]
