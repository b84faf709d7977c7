# HiFaceGAN on one subtask of face renovation: removal of JPEG artefacts.
_base_ = 'hifacegan_128.py'

train_dataloader = dict(dataset=dict(pipeline=_base_._renovation_train['jpeg']))
val_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['jpeg']))
test_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['jpeg']))
