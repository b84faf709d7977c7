# Heavy-Rain Removal (Li, Cheong & Tan, CVPR 2019), stage 1: streaks, transmission and airlight.
_base_ = [
    '../_base_/models/heavy_rain_removal_stage1.py',
    '../_base_/data/rain_x4.py',
    '../_base_/schedules/pretrain.py',
    '../_base_/runtime.py',
]

train_dataloader = dict(batch_size=64)
default_hooks = dict(checkpoint=dict(save_best='PSNR_lr_img'))
val_evaluator = [dict(type='PSNR', pred_key='lr_img')]
test_evaluator = [dict(type='PSNR', pred_key='lr_img'), dict(type='SSIM', pred_key='lr_img')]
