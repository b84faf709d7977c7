# hrrm_plus_x4, stage 4 of 4: from stage 3's weights (load_from), without weight decay.
_base_ = ['hrrm_plus_x4.py', '../_base_/schedules/cosine.py']

model = dict(freeze_bn=('rain_removal',))
optim_wrapper = dict(optimizer=dict(lr=4e-4, weight_decay=0))
train_dataloader = dict(batch_size=16)
train_cfg = dict(max_iters=12000, val_interval=3000)
param_scheduler = dict(eta_min_ratio=0.01)
default_hooks = dict(checkpoint=dict(interval=200))
custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.005, update_buffers=True)]
