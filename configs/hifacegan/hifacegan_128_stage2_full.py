# hifacegan_128, stage 2 of 2: its own losses, from stage 1's weights (load_from).
_base_ = ['hifacegan_128.py', '../_base_/schedules/cosine.py']

optim_wrapper = dict(generator=dict(optimizer=dict(lr=1e-4)), discriminator=dict(optimizer=dict(lr=1e-4)))
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=_base_._mixed_or_single_train))
train_cfg = dict(max_iters=200, val_interval=200)
param_scheduler = dict(eta_min_ratio=0.1)
default_hooks = dict(checkpoint=dict(interval=50))
