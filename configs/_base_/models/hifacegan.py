# HiFaceGAN (Yang et al. 2020). Reduced: published are base_channels=64 with 5 levels and hidden=128, for 512 pixels.
model = dict(
    type='HiFaceGAN',
    generator=dict(
        type='ImageToImageGenerator',
        # As in the bundled weights: SPADE with instance norm, no norm after the encoder's first convolution. The public
        # code has batch norm in SPADE, and instance norm and ReLU after the first convolution.
        network=dict(type='HiFaceNet', base_channels=16, levels=4, hidden=32, norm='instance', stem_norm=False),
        scale=1,
        multiple=16,
    ),
    discriminator=dict(type='MultiScalePatchDiscriminator', in_channels=6, base_channels=16),
    pixel_loss=None,
    adversarial_loss=dict(type='HingeAdversarialLoss'),
    feature_loss=dict(type='FeatureMatchingLoss', loss_weight=10.0),
    # The published weight of 10 is for absolute differences of unnormalised images; normalised squares are larger.
    perceptual_loss=dict(type='PerceptualLoss', layers=('relu1_2', 'relu2_2', 'relu3_3'), loss_weight=1.0),
)
