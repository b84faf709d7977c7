# HiFaceGAN on one subtask of face renovation: deblurring.
_base_ = 'hifacegan_128.py'

train_dataloader = dict(dataset=dict(pipeline=_base_._renovation_train['blur']))
val_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['blur']))
test_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['blur']))
