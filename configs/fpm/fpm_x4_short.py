# A schedule for a CPU: 96,000 faces; the learning rate falls to a hundredth.
_base_ = ['../fpm_x4.py', '../_base_/schedules/cosine.py']

train_dataloader = dict(batch_size=16)
train_cfg = dict(max_iters=6000, val_interval=1000)
param_scheduler = dict(eta_min_ratio=0.01)
default_hooks = dict(checkpoint=dict(interval=250))
