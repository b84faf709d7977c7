# HRRM + FPM + FCG-GAN, the paper's network (eqs. 23-32), from the bundled HRRM and FPM.
_base_ = ['_base_/data.py', '_base_/runtime.py', '_base_/schedule_joint.py', '_base_/hrrm_fpm.py']

_critic = dict(type='SRGANDiscriminator', base_channels=32)
model = dict(
    type='FCGGAN',
    face_parser=dict(init_cfg=dict(type='Pretrained', checkpoint='rainrestore://fpm_x4', prefix='face_parser')),
    generator=dict(
        type='FCGGenerator', trunk=dict(type='SRResNetTrunk', channels=48, num_blocks=8), channels=32, scale=4
    ),
    discriminator=_critic,
    # average boxes of the CelebAMask-HQ train split: tools/dataset_converters/component_boxes.py
    local_discriminators=dict(
        eyes=dict(discriminator=_critic, box=(37, 41, 91, 73)),
        nose=dict(discriminator=_critic, box=(44, 56, 84, 88)),
        lips=dict(discriminator=_critic, box=(45, 81, 85, 113)),
    ),
    pixel_loss=dict(type='MSELoss'),
    perceptual_loss=dict(type='PerceptualLoss', loss_weight=1e-3),
    adversarial_loss=dict(type='LinearAdversarialLoss', loss_weight=1e-3),
    local_adversarial_loss=dict(type='LinearAdversarialLoss', loss_weight=1e-4),
    rain_loss=dict(type='RainReconstructionLoss'),
)
train_dataloader = dict(batch_size=16)
default_hooks = dict(checkpoint=dict(save_best='PSNR', rule='greater'))
val_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
test_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
