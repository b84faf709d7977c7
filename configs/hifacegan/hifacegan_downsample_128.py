# HiFaceGAN on one subtask of face renovation: super-resolution.
_base_ = 'hifacegan_128.py'

train_dataloader = dict(dataset=dict(pipeline=_base_._renovation_train['downsample']))
val_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['downsample']))
test_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['downsample']))
