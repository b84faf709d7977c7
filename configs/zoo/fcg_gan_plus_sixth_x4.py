# fcg_gan_plus_x4, sixth part: once more from the fifth part's weights (load_from).
_base_ = 'fcg_gan_plus_fifth_x4.py'

max_iters = 4500
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min_ratio=0.05)]
