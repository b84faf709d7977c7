# HiFaceGAN on one subtask of face renovation: face hallucination, from blocks.
_base_ = 'hifacegan_128.py'

_degraded = [dict(type='Mosaic', seed=2022), dict(type='PackFaceInputs')]

train_dataloader = dict(
    dataset=dict(pipeline=[dict(type='FlipFace'), dict(type='Mosaic'), dict(type='PackFaceInputs')])
)
val_dataloader = dict(dataset=dict(pipeline=_degraded))
test_dataloader = dict(dataset=dict(pipeline=_degraded))
