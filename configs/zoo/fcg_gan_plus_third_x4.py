# fcg_gan_plus_x4, third part: generator and parsing of the second part (their init_cfg), behind hrrm_plus_x4 once more.
_base_ = 'fcg_gan_plus_second_x4.py'

max_iters = 7000
optim_wrapper = dict(generator=dict(slots=dict(rain_removal=0.05, face_parser=0.05)))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min_ratio=0.05)]
