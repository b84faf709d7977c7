# HiFaceGAN on heavy rain for the zoo, second part: the schedule and faces of hifacegan_128.
_base_ = 'hifacegan_128.py'

model = dict(generator=dict(scale=4))
train_dataloader = dict(dataset=dict(pipeline=_base_.rain_training))
val_dataloader = dict(dataset=dict(pipeline=_base_.rain_testing))
test_dataloader = dict(dataset=dict(pipeline=_base_.rain_testing))
