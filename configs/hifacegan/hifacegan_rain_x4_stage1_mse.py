# hifacegan_rain_x4, stage 1 of 2: MSE only; learning rate, batch and faces as in docs/table1.md.
_base_ = ['hifacegan_rain_x4.py', '../_base_/models/hifacegan_mse_alone.py', '../_base_/schedules/cosine.py']

model = _base_._hifacegan_mse_alone
optim_wrapper = dict(generator=dict(optimizer=dict(lr=1e-3, betas=(0.9, 0.999))))
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=2700, val_interval=2700)
param_scheduler = dict(eta_min_ratio=0.1)
default_hooks = dict(checkpoint=dict(interval=150))
