# Raindrops on glass, the recommended network: residual output, predicted drop mask, no discriminator.
_base_ = [
    '../_base_/models/raindrop_unet.py',
    '../_base_/data/rain_x4.py',
    '../_base_/data/raindrops.py',
    '../_base_/schedules/pretrain.py',
    '../_base_/schedules/cosine.py',
    '../_base_/runtime.py',
]

restoration = dict(task='raindrops', size=128)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
train_cfg = dict(max_iters=10_000, val_interval=1000)
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=_base_._raindrops_train))
val_dataloader = dict(dataset=dict(pipeline=_base_._raindrops_test))
test_dataloader = dict(dataset=dict(pipeline=_base_._raindrops_test))
