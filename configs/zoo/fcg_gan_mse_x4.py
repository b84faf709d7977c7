# The bundled network, first part: MSE alone. Neither VGG nor discriminators, which cost five times as much a face.
_base_ = ['../fcg_gan_x4.py', '../_base_/mse_alone.py']

max_iters = 3000
model = _base_.mse_alone
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min=1e-4)]
default_hooks = dict(checkpoint=dict(interval=150))
