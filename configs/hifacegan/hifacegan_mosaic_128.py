# HiFaceGAN on one subtask of face renovation: face hallucination, from blocks.
_base_ = 'hifacegan_128.py'

train_dataloader = dict(dataset=dict(pipeline=_base_._renovation_train['mosaic']))
val_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['mosaic']))
test_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['mosaic']))
