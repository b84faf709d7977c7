# fcg_gan_blind_x4, stage 2 of 2: the full loss, from the weights of stage 1 (load_from).
_base_ = ['fcg_gan_blind_x4.py', '../_base_/schedules/cosine.py']

optim_wrapper = dict(generator=dict(optimizer=dict(lr=1e-4)), discriminator=dict(optimizer=dict(lr=1e-4)))
train_cfg = dict(max_iters=500, val_interval=500)
param_scheduler = dict(eta_min_ratio=0.1)
default_hooks = dict(checkpoint=dict(interval=100))
