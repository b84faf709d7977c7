# Test faces outside of the training range of fcg_gan_blind_x4: four to six layers of rain.
_base_ = '../fcg_gan/fcg_gan_blind_x4.py'

_rain = dict(type='BlindHeavyRain', layers=(4, 6), seed=2022)
test_dataloader = dict(dataset=dict(pipeline=[_rain, dict(type='ParsingTarget', scale=4), dict(type='PackFaceInputs')]))
