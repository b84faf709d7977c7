# hrrm_plus_x4, stage 1 of 2: small batches; a moving average of the weights is validated and saved.
_base_ = ['hrrm_plus_x4.py', '../_base_/schedules/cosine.py']

train_dataloader = dict(batch_size=16)
train_cfg = dict(max_iters=6000, val_interval=1000)
param_scheduler = dict(eta_min_ratio=0.01)
default_hooks = dict(checkpoint=dict(interval=200))
custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.005, update_buffers=True)]
