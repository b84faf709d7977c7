# A conditional GAN: a generator with a waist of 128 channels, a discriminator of concat(I, H), cross-entropy alone.
model = dict(
    type='ConditionalGAN',
    generator=dict(
        type='ImageToImageGenerator',
        network=dict(type='EncoderDecoder', base_channels=32, latent_channels=128),
        scale=1,
    ),
    discriminator=dict(type='SRGANDiscriminator', in_channels=6, base_channels=32),
    pixel_loss=None,
    adversarial_loss=dict(type='CrossEntropyAdversarialLoss'),
)
