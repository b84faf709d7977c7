# fcg_gan_plus_x4 under MSE alone, from the modules it starts from; what it gave may start it again (load_from).
_base_ = ['../fcg_gan_plus_x4.py', '../_base_/mse_alone.py']

max_iters = 10_000
model = _base_.mse_alone
optim_wrapper = dict(generator=dict(optimizer=dict(lr=3e-4)))
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=max_iters, val_interval=2500)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min_ratio=0.05)]
default_hooks = dict(checkpoint=dict(interval=200))
