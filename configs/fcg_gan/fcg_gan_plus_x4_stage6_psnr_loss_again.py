# fcg_gan_plus_x4, stage 6 of 8: stage 5 repeated, from its weights (load_from).
_base_ = ['fcg_gan_plus_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = _base_._mse_alone
optim_wrapper = dict(generator=dict(optimizer=dict(lr=3e-4)))
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=4500, val_interval=4500)
default_hooks = dict(checkpoint=dict(interval=200))
