# fcg_gan_blind_x4, stage 1 of 3: the generator with hrrm_plus_x4, in the first part of a cosine schedule.
_base_ = ['fcg_gan_blind_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = dict(_base_._mse_alone, rain_removal=dict(init_cfg=dict(checkpoint='rainrestore://hrrm_plus_x4')))
optim_wrapper = dict(generator=dict(optimizer=dict(lr=5e-4)))
train_cfg = dict(max_iters=8438, val_interval=8438)
param_scheduler = dict(T_max=40000, eta_min_ratio=0.02)
default_hooks = dict(checkpoint=dict(interval=500))
