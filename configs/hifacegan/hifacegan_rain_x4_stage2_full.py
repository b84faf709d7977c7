# hifacegan_rain_x4, stage 2 of 2: its own losses, from stage 1's weights (load_from).
_base_ = ['hifacegan_rain_x4.py', '../_base_/schedules/cosine.py']

train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=300, val_interval=300)
param_scheduler = dict(eta_min_ratio=None, eta_min=1e-5)
default_hooks = dict(checkpoint=dict(interval=50))
