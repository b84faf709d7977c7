# raindrop_plus, stage 2 of 2: with the perceptual loss, from stage 1's weights (load_from), at a lower rate.
_base_ = 'raindrop_plus.py'

optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(max_iters=240, val_interval=240)
default_hooks = dict(checkpoint=dict(interval=40))
