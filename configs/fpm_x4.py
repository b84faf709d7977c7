# FPM pre-training: the parsed face from I and the J of the bundled HRRM (paper eq. 22).
_base_ = [
    '_base_/models/fpm.py',
    '_base_/data/rain_x4.py',
    '_base_/schedules/pretrain.py',
    '_base_/runtime.py',
]

train_dataloader = dict(batch_size=64)
default_hooks = dict(checkpoint=dict(save_best='mIoU'))
val_evaluator = [dict(type='ParsingMIoU')]
test_evaluator = [dict(type='ParsingMIoU')]
