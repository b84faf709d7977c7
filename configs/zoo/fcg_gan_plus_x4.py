# fcg_gan_plus_x4, last part: its whole loss; generator and parsing of the fourth part (their init_cfg).
_base_ = '../fcg_gan_plus_x4.py'

max_iters = 500
_adam = dict(lr=1e-4)
optim_wrapper = dict(generator=dict(optimizer=_adam), discriminator=dict(optimizer=_adam))
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min_ratio=0.05)]
default_hooks = dict(checkpoint=dict(interval=100))
