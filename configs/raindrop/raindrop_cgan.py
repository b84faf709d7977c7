# Raindrops on glass, a conditional GAN: 20 epochs of the 861 images of the Raindrop set in batches of 8. Here the drops
# are rendered over faces (data_root); raindrop_cgan_qian.py uses the Raindrop set. Bottleneck, discriminator, L1,
# learning rates and momentum were chosen by experiment (docs/renovation.md).
_base_ = [
    '../_base_/models/raindrop_gan.py',
    '../_base_/data/rain_x4.py',
    '../_base_/data/raindrops.py',
    '../_base_/schedules/joint.py',
    '../_base_/schedules/cosine.py',
    '../_base_/runtime.py',
]

restoration = dict(task='raindrops', size=128)
optim_wrapper = dict(
    generator=dict(optimizer=dict(lr=1e-3, betas=(0.5, 0.999))),
    discriminator=dict(optimizer=dict(lr=2e-4, betas=(0.5, 0.999))),
)
train_cfg = dict(max_iters=2150, val_interval=215)
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=_base_._raindrops_train))
val_dataloader = dict(dataset=dict(pipeline=_base_._raindrops_test))
test_dataloader = dict(dataset=dict(pipeline=_base_._raindrops_test))
default_hooks = dict(checkpoint=dict(interval=215))
