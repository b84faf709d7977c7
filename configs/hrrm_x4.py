# HRRM pre-training: J, S, T, A of the rainy image (paper eqs. 17-20).
_base_ = ['_base_/data.py', '_base_/runtime.py', '_base_/schedule_pretrain.py', '_base_/hrrm.py']

model = dict(
    type='RainRemover',
    rain_loss=dict(type='RainReconstructionLoss'),
    perceptual_loss=dict(type='PerceptualLoss', loss_weight=0.1),
)
default_hooks = dict(checkpoint=dict(save_best='PSNR_lr_img', rule='greater'))
val_evaluator = [dict(type='PSNR', pred_key='lr_img')]
test_evaluator = [dict(type='PSNR', pred_key='lr_img'), dict(type='SSIM', pred_key='lr_img')]
