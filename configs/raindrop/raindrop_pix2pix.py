# Raindrops on glass, pix2pix: skips around the waist, a discriminator of patches, L1; 50 epochs.
_base_ = 'raindrop_cgan.py'

model = dict(
    generator=dict(network=dict(skips=True)),
    discriminator=dict(
        _delete_=True, type='mmagic.PatchDiscriminator', _scope_='mmagic', in_channels=6, base_channels=32, num_conv=3
    ),
    # 100 for values in [-1, 1], where differences are twice as large as in [0, 1]
    pixel_loss=dict(_delete_=True, type='mmagic.L1Loss', loss_weight=200.0),
)
optim_wrapper = dict(generator=dict(optimizer=dict(lr=2e-4)), discriminator=dict(optimizer=dict(lr=2e-4)))
train_cfg = dict(max_iters=5375, val_interval=430)
