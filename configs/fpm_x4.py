# FPM pre-training: the parsed face from I and the J of the bundled HRRM (paper eq. 22).
_base_ = ['_base_/data.py', '_base_/runtime.py', '_base_/schedule_pretrain.py', '_base_/hrrm_fpm.py']

model = dict(type='FaceParser')
default_hooks = dict(checkpoint=dict(save_best='mIoU', rule='greater'))
val_evaluator = [dict(type='ParsingMIoU')]
test_evaluator = [dict(type='ParsingMIoU')]
