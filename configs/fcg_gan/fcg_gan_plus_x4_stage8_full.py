# fcg_gan_plus_x4, stage 8 of 8: the full loss, from stage 7's weights (load_from).
_base_ = ['fcg_gan_plus_x4.py', '../_base_/schedules/cosine.py']

optim_wrapper = dict(generator=dict(optimizer=dict(lr=1e-4)), discriminator=dict(optimizer=dict(lr=1e-4)))
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=500, val_interval=500)
default_hooks = dict(checkpoint=dict(interval=100))
