# raindrop_plus, stage 1 of 2: without the perceptual loss, so that an iteration takes less time.
_base_ = 'raindrop_plus.py'

model = dict(perceptual_loss=None)
train_cfg = dict(max_iters=2600, val_interval=650)
default_hooks = dict(checkpoint=dict(interval=200))
