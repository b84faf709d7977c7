# HiFaceGAN on one subtask of face renovation: denoising.
_base_ = 'hifacegan_128.py'

_degraded = [dict(type='AdditiveNoise', seed=2022), dict(type='PackFaceInputs')]

train_dataloader = dict(
    dataset=dict(pipeline=[dict(type='FlipFace'), dict(type='AdditiveNoise'), dict(type='PackFaceInputs')])
)
val_dataloader = dict(dataset=dict(pipeline=_degraded))
test_dataloader = dict(dataset=dict(pipeline=_degraded))
