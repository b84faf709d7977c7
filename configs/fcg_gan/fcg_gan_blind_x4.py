# fcg_gan_x4 for faces of 24 to 48 pixels in rain, blur, noise and JPEG of any strength, resized to its 32.
_base_ = ['../fcg_gan_x4.py', '../_base_/data/blind_rain.py']

train_dataloader = dict(dataset=dict(pipeline=_base_._blind_train))
val_dataloader = dict(dataset=dict(pipeline=_base_._blind_test))
test_dataloader = dict(dataset=dict(pipeline=_base_._blind_test))
