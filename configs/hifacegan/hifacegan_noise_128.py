# HiFaceGAN on one subtask of face renovation: denoising.
_base_ = 'hifacegan_128.py'

train_dataloader = dict(dataset=dict(pipeline=_base_._renovation_train['noise']))
val_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['noise']))
test_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['noise']))
