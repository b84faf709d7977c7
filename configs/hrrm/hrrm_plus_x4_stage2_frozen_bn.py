# hrrm_plus_x4, stage 2 of 2: from stage 1's weights (load_from), with the batch-norm statistics of stage 1.
_base_ = ['hrrm_plus_x4.py', '../_base_/schedules/cosine.py']

model = dict(freeze_bn=('rain_removal',))
optim_wrapper = dict(optimizer=dict(lr=5e-4))
train_dataloader = dict(batch_size=16)
train_cfg = dict(max_iters=12000, val_interval=1000)
param_scheduler = dict(eta_min_ratio=0.02)
default_hooks = dict(checkpoint=dict(interval=200))
custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.005, update_buffers=True)]
