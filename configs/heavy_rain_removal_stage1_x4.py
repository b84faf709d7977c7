# Heavy-Rain Removal (Li, Cheong & Tan, CVPR 2019), stage 1: streaks, transmission and airlight.
_base_ = ['_base_/data.py', '_base_/runtime.py', '_base_/schedule_pretrain.py', '_base_/heavy_rain.py']

model = dict(
    type='HeavyRainRemover',
    parameter_loss=dict(type='RainParameterLoss', transmission_gradient=0.5),
)
default_hooks = dict(checkpoint=dict(save_best='PSNR_lr_img', rule='greater'))
val_evaluator = [dict(type='PSNR', pred_key='lr_img')]
test_evaluator = [dict(type='PSNR', pred_key='lr_img'), dict(type='SSIM', pred_key='lr_img')]
