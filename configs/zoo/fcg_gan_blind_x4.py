# The network for any rain, second part: the paper's loss, from the first part's weights (load_from).
_base_ = ['fcg_gan_x4.py', '../_base_/blind_rain.py']

max_iters = 100
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min=1e-5)]
train_dataloader = dict(dataset=dict(pipeline=_base_.blind_training))
val_dataloader = dict(dataset=dict(pipeline=_base_.blind_testing))
test_dataloader = dict(dataset=dict(pipeline=_base_.blind_testing))
