# Heavy-Rain Removal (Li, Cheong & Tan, CVPR 2019), stage 2: refinement with a depth-guided discriminator.
# From stage 1: --cfg-options load_from=work_dirs/heavy_rain_removal_stage1_x4/iter_56250.pth
# Without it both stages are trained here at once.
_base_ = ['_base_/data.py', '_base_/runtime.py', '_base_/schedule_joint.py', '_base_/heavy_rain.py']

model = dict(
    type='HeavyRainGAN',
    generator=dict(type='RefinementUNet', base_channels=16, levels=5),  # 64 in the original
    discriminator=dict(type='DepthGuidedDiscriminator', base_channels=8),
    pixel_loss=dict(type='MSELoss'),
    # The original's weight of 2 is for pictures in [0, 1]; ImageNet's normalisation makes squares some 20 times larger.
    perceptual_loss=dict(type='PerceptualLoss', layers=('relu2_1',), loss_weight=0.1),
    adversarial_loss=dict(type='CrossEntropyAdversarialLoss', loss_weight=0.01),
    rain_loss=dict(type='RainParameterLoss', transmission_gradient=0.5),
)
# the original's discriminator learns at a tenth of the generator's rate
optim_wrapper = dict(discriminator=dict(optimizer=dict(lr=1e-4)))
train_dataloader = dict(batch_size=16)
default_hooks = dict(checkpoint=dict(save_best='PSNR', rule='greater'))
val_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
test_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
