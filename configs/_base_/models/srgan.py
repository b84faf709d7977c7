# SRGAN (Ledig et al. 2017) on the rainy image: generator, discriminator, MSE, VGG and adversarial loss.
model = dict(
    type='FCGGAN',
    generator=dict(
        type='FCGGenerator', trunk=dict(type='SRResNetTrunk', channels=48, num_blocks=8), channels=32, scale=4
    ),
    discriminator=dict(type='SRGANDiscriminator', base_channels=32),
    pixel_loss=dict(type='MSELoss'),
    perceptual_loss=dict(type='PerceptualLoss', loss_weight=1e-3),
    adversarial_loss=dict(type='LinearAdversarialLoss', loss_weight=1e-3),
)
