# HiFaceGAN on the heavy-rain task beside FCG-GAN: the rainy image enlarged to 128 pixels, neither physics nor parsing.
_base_ = 'hifacegan_128.py'

restoration = dict(task='faces', size=32)
model = dict(generator=dict(scale=4))
train_dataloader = dict(dataset=dict(pipeline=_base_._rain_train))
val_dataloader = dict(dataset=dict(pipeline=_base_._rain_test))
test_dataloader = dict(dataset=dict(pipeline=_base_._rain_test))
