# The bundled network, second part: the paper's loss, from the first part's weights (load_from).
_base_ = '../fcg_gan_x4.py'

max_iters = 300
_adam = dict(lr=1e-4)
optim_wrapper = dict(generator=dict(optimizer=_adam), discriminator=dict(optimizer=_adam))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min=1e-5)]
default_hooks = dict(checkpoint=dict(interval=40))
