# HiFaceGAN on the heavy-rain task, to compare with FCG-GAN: input enlarged to 128 pixels, no physics and no parsing.
_base_ = 'hifacegan_128.py'

restoration = dict(task='faces', size=32)
model = dict(generator=dict(scale=4, network=dict(residual=False)))
train_dataloader = dict(dataset=dict(pipeline=_base_._rain_train))
val_dataloader = dict(dataset=dict(pipeline=_base_._rain_test))
test_dataloader = dict(dataset=dict(pipeline=_base_._rain_test))
