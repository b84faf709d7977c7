# HRRM + FPM + FCG-GAN, the paper's network and loss (eqs. 23-32), from the pre-trained HRRM and FPM.
_discriminator = dict(type='SRGANDiscriminator', base_channels=32)

model = dict(
    type='FCGGAN',
    rain_removal=dict(
        type='HRRM',
        encoder=dict(type='DenseNetEncoder'),
        init_cfg=dict(type='Pretrained', checkpoint='rainrestore://hrrm_x4', prefix='rain_removal'),
    ),
    face_parser=dict(
        type='FaceParsingUNet',
        base_channels=16,
        out_channels=19,
        init_cfg=dict(type='Pretrained', checkpoint='rainrestore://fpm_x4', prefix='face_parser'),
    ),
    generator=dict(
        type='FCGGenerator', trunk=dict(type='SRResNetTrunk', channels=48, num_blocks=8), channels=32, scale=4
    ),
    discriminator=_discriminator,
    # Mean boxes of the CelebAMask-HQ train split: tools/dataset_converters/component_boxes.py
    local_discriminators=dict(
        eyes=dict(discriminator=_discriminator, box=(37, 41, 91, 73)),
        nose=dict(discriminator=_discriminator, box=(44, 56, 84, 88)),
        lips=dict(discriminator=_discriminator, box=(45, 81, 85, 113)),
    ),
    pixel_loss=dict(type='MSELoss'),
    perceptual_loss=dict(type='PerceptualLoss', loss_weight=1e-3),
    adversarial_loss=dict(type='LinearAdversarialLoss', loss_weight=1e-3),
    local_adversarial_loss=dict(type='LinearAdversarialLoss', loss_weight=1e-4),
    rain_loss=dict(type='RainReconstructionLoss'),
    parsing_loss=dict(type='ParsingCrossEntropyLoss', label_shares='celebamask_hq', loss_weight=0.01),
)
