# fcg_gan_blind_x4, stage 1 of 2: MSE alone, from the weights of fcg_gan_x4 (load_from).
_base_ = ['fcg_gan_blind_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = _base_._mse_alone
optim_wrapper = dict(generator=dict(optimizer=dict(lr=5e-4)))
train_cfg = dict(max_iters=1500, val_interval=1500)
param_scheduler = dict(eta_min_ratio=0.2)
default_hooks = dict(checkpoint=dict(interval=150))
