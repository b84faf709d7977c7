# Test faces outside of the training range of fcg_gan_blind_x4: more noise and stronger JPEG compression.
_base_ = '../fcg_gan/fcg_gan_blind_x4.py'

_camera = [
    dict(type='AdditiveNoise', sigma=(14, 25), lam=(9, 16)),
    dict(type='JPEGArtefacts', compression=(65, 85)),
]
_rain = dict(type='BlindHeavyRain', camera=_camera, seed=2022)
test_dataloader = dict(dataset=dict(pipeline=[_rain, dict(type='ParsingTarget', scale=4), dict(type='PackFaceInputs')]))
