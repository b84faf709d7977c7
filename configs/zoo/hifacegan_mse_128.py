# HiFaceGAN for the zoo, first part: MSE alone; rate, batch and faces as in docs/table1.md.
_base_ = ['../hifacegan_128.py', '../_base_/hifacegan_mse_alone.py']

max_iters = 2700
model = _base_.hifacegan_mse_alone
optim_wrapper = dict(generator=dict(optimizer=dict(lr=1e-3, betas=(0.9, 0.999))))
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min=1e-4)]
default_hooks = dict(checkpoint=dict(interval=150))
