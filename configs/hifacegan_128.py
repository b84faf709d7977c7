# HiFaceGAN (Yang et al. 2020): renovation of faces of 128 pixels that were blurred, made noisy, compressed and shrunk,
# in random order. Reduced: published are base_channels=64 with 5 levels and hidden=128, for 512 pixels.
_base_ = ['_base_/data.py', '_base_/runtime.py', '_base_/schedule_joint.py']

_degraded = [dict(type='MixedDegradation', seed=2022), dict(type='PackFaceInputs')]

model = dict(
    type='HiFaceGAN',
    generator=dict(
        type='ImageToImageGenerator',
        # the bundled weights have instance norm and no norm in the stem; the public code has batch norm and one
        network=dict(type='HiFaceNet', base_channels=16, levels=4, hidden=32, norm='instance', stem_norm=False),
        scale=1,
        multiple=16,
    ),
    discriminator=dict(type='MultiScalePatchDiscriminator', in_channels=6, base_channels=16),
    pixel_loss=None,
    adversarial_loss=dict(type='HingeAdversarialLoss'),
    feature_loss=dict(type='FeatureMatchingLoss', loss_weight=10.0),
    # The weight of 10 is for absolute differences of unnormalised pictures; squares of normalised ones are larger.
    perceptual_loss=dict(type='PerceptualLoss', layers=('relu1_2', 'relu2_2', 'relu3_3'), loss_weight=1.0),
)
# two time scales, as SPADE: half and twice 2e-4
_adam = dict(betas=(0.0, 0.9), weight_decay=0)
optim_wrapper = dict(
    generator=dict(optimizer=dict(lr=1e-4, **_adam)), discriminator=dict(optimizer=dict(lr=4e-4, **_adam))
)
train_dataloader = dict(
    batch_size=16,
    dataset=dict(pipeline=[dict(type='FlipFace'), dict(type='MixedDegradation'), dict(type='PackFaceInputs')]),
)
val_dataloader = dict(dataset=dict(pipeline=_degraded))
test_dataloader = dict(dataset=dict(pipeline=_degraded))
default_hooks = dict(checkpoint=dict(save_best='PSNR', rule='greater'))
val_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
test_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
