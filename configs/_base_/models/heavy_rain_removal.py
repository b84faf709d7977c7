# Heavy-Rain Removal (Li, Cheong & Tan, CVPR 2019), both stages: the estimator, and the refinement with a depth-guided
# discriminator.
model = dict(
    type='HeavyRainGAN',
    rain_removal=dict(
        type='HeavyRainEstimator',
        # Reduced for a CPU: the widths are 256, 64 and 64 in the original.
        decomposition=dict(type='GuidedFilterDecomposition', radii=(2, 4, 8, 16, 32), eps=(1e-3, 1e-4)),
        streak=dict(type='StreakNet', channels=32, num_blocks=3),
        transmission=dict(type='UNet', out_channels=1, base_channels=8, levels=5),
        airlight=dict(type='AirlightNet', base_channels=16, levels=4),
        scale=4,
    ),
    generator=dict(type='RefinementUNet', base_channels=16, levels=5),  # 64 in the original
    discriminator=dict(type='DepthGuidedDiscriminator', base_channels=8),
    pixel_loss=dict(type='MSELoss'),
    # The original's weight of 2 is for images in [0, 1]; ImageNet's normalisation makes squares some 20 times larger.
    perceptual_loss=dict(type='PerceptualLoss', layers=('relu2_1',), loss_weight=0.1),
    adversarial_loss=dict(type='CrossEntropyAdversarialLoss', loss_weight=0.01),
    rain_loss=dict(type='RainParameterLoss', transmission_gradient=0.5),
)
