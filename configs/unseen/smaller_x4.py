# Test faces of 16 to 22 pixels, the smallest ones in the training of fcg_gan_blind_x4.
_base_ = '../fcg_gan/fcg_gan_blind_x4.py'

_rain = dict(type='BlindHeavyRain', sides=(16, 22), seed=2022)
test_dataloader = dict(dataset=dict(pipeline=[_rain, dict(type='ParsingTarget', scale=4), dict(type='PackFaceInputs')]))
