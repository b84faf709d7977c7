# hifacegan_128, stage 1 of 2: the PSNR loss only. A mean of logarithms: a lightly degraded face has the same weight as
# a strongly degraded one.
_base_ = ['hifacegan_128.py', '../_base_/models/hifacegan_mse_alone.py', '../_base_/schedules/cosine.py']

model = dict(_base_._hifacegan_mse_alone, pixel_loss=dict(_delete_=True, type='mmagic.PSNRLoss', loss_weight=1e-3))
optim_wrapper = dict(generator=dict(optimizer=dict(lr=1e-3, betas=(0.9, 0.999))))
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=_base_._mixed_or_single_train))
train_cfg = dict(max_iters=4000, val_interval=1000)
param_scheduler = dict(eta_min_ratio=0.02)
default_hooks = dict(checkpoint=dict(interval=250))
