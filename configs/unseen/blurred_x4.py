# Test faces outside of the training range of fcg_gan_blind_x4: motion of 14 to 24 pixels of 512, or blur of sigma 5.5
# to 9.
_base_ = '../fcg_gan/fcg_gan_blind_x4.py'

_lens = dict(type='MotionOrDefocusBlur', length=(14, 24), sigma=(5.5, 9))
_rain = dict(type='BlindHeavyRain', lens=[_lens], seed=2022)
test_dataloader = dict(dataset=dict(pipeline=[_rain, dict(type='ParsingTarget', scale=4), dict(type='PackFaceInputs')]))
