# fcg_gan_plus_x4, second part: from the first part's weights (load_from), all statistics kept.
_base_ = 'fcg_gan_plus_first_x4.py'

max_iters = 10_000
model = dict(fixed_norms=('rain_removal', 'face_parser', 'generator'))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min_ratio=0.05)]
