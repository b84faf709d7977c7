# Raindrops on glass, a conditional GAN: a generator with a waist of 128 channels, cross-entropy, one rate for both
# players, 20 epochs of the Raindrop set's 861 pictures in batches of 8. Here: drops rendered over faces (data_root);
# raindrop_set/ has the Raindrop set.
_base_ = ['_base_/data.py', '_base_/runtime.py', '_base_/schedule_joint.py']

_on_glass = [dict(type='RaindropsOnGlass', seed=2022), dict(type='PackFaceInputs')]

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
optim_wrapper = dict(
    generator=dict(optimizer=dict(lr=1e-3, weight_decay=0)),
    discriminator=dict(optimizer=dict(lr=1e-3, weight_decay=0)),
)
train_cfg = dict(max_iters=2150, val_interval=215)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(pipeline=[dict(type='FlipFace'), dict(type='RaindropsOnGlass'), dict(type='PackFaceInputs')]),
)
val_dataloader = dict(dataset=dict(pipeline=_on_glass))
test_dataloader = dict(dataset=dict(pipeline=_on_glass))
default_hooks = dict(checkpoint=dict(interval=215, save_best='PSNR', rule='greater'))
val_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
test_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
