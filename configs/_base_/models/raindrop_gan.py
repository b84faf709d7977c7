# A conditional GAN: a residual generator with a bottleneck of 128 channels at 1/8 of the resolution, a patch
# discriminator of concat(I, H), and L1 in addition to the cross-entropy.
model = dict(
    type='ConditionalGAN',
    generator=dict(
        type='ImageToImageGenerator',
        network=dict(type='EncoderDecoder', base_channels=32, latent_channels=128, levels=3, residual=True),
        scale=1,
    ),
    discriminator=dict(type='mmagic.PatchDiscriminator', _scope_='mmagic', in_channels=6, base_channels=32, num_conv=3),
    # Equal to 100 for values in [-1, 1], where differences are twice as large as in [0, 1].
    pixel_loss=dict(type='mmagic.L1Loss', loss_weight=200.0),
    adversarial_loss=dict(type='CrossEntropyAdversarialLoss'),
)
