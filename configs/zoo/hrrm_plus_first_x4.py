# hrrm_plus_x4, first part: in small batches, a schedule for a CPU, decayed to zero; what is used is the moving average
# of the weights.
_base_ = '../hrrm_plus_x4.py'

max_iters = 6000
train_dataloader = dict(batch_size=16)
train_cfg = dict(max_iters=max_iters, val_interval=1000)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min=1e-5)]
default_hooks = dict(checkpoint=dict(interval=200))
custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.005, update_buffers=True)]
