# HRRM pre-training: J, S, T, A of the rainy image (paper eqs. 17-20).
_base_ = [
    '_base_/models/hrrm.py',
    '_base_/data/rain_x4.py',
    '_base_/schedules/pretrain.py',
    '_base_/runtime.py',
]

restoration = dict(task='rain')
train_dataloader = dict(batch_size=64)
default_hooks = dict(checkpoint=dict(save_best='PSNR_lr_img'))
val_evaluator = [dict(type='PSNR', pred_key='lr_img')]
test_evaluator = [dict(type='PSNR', pred_key='lr_img'), dict(type='SSIM', pred_key='lr_img')]
