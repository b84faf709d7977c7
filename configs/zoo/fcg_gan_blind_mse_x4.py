# The network for any rain, first part: from the bundled network's weights (load_from), MSE alone on blind_rain.
_base_ = ['fcg_gan_mse_x4.py', '../_base_/blind_rain.py']

max_iters = 1500
optim_wrapper = dict(generator=dict(optimizer=dict(lr=5e-4)))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min=1e-4)]
train_dataloader = dict(dataset=dict(pipeline=_base_.blind_training))
val_dataloader = dict(dataset=dict(pipeline=_base_.blind_testing))
test_dataloader = dict(dataset=dict(pipeline=_base_.blind_testing))
