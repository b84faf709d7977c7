# Test faces without rain, blur, noise and JPEG, only shrunk to 32 pixels. The network must not degrade them.
_base_ = '../fcg_gan/fcg_gan_blind_x4.py'

_clean = dict(type='BlindHeavyRain', sides=(32, 32), kernels=['bicubic'], untouched=1, seed=2022)
test_dataloader = dict(
    dataset=dict(pipeline=[_clean, dict(type='ParsingTarget', scale=4), dict(type='PackFaceInputs')])
)
