# fcg_gan_x4 for faces of 24 to 48 pixels in rain, blur, noise and JPEG of any strength, resized to its 32.
_base_ = 'fcg_gan_x4.py'

_rain = dict(type='BlindHeavyRain')
_observe = [dict(type='ParsingTarget', scale=4), dict(type='PackFaceInputs')]
train_dataloader = dict(dataset=dict(pipeline=[dict(type='FlipFace'), _rain, *_observe]))
val_dataloader = dict(dataset=dict(pipeline=[dict(seed=2022, **_rain), *_observe]))
test_dataloader = dict(dataset=dict(pipeline=[dict(seed=2022, **_rain), *_observe]))
