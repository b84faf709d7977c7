# hrrm_plus_x4, second part: trained as it is used, with the statistics of the first part (load_from).
_base_ = 'hrrm_plus_first_x4.py'

max_iters = 12_000
model = dict(fixed_norms=('rain_removal',))
optim_wrapper = dict(optimizer=dict(lr=5e-4))
train_cfg = dict(max_iters=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min_ratio=0.02)]
