# HiFaceGAN for the zoo, second part: its own losses, from the first part's weights (load_from).
_base_ = '../hifacegan_128.py'

max_iters = 300
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min=1e-5)]
default_hooks = dict(checkpoint=dict(interval=50))
