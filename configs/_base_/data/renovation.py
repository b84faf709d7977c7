# Pipelines of face renovation: subtask -> pipeline in training, and in val and test.
_degradations = dict(
    mixed='MixedDegradation',
    downsample='DownsampleAndBack',
    mosaic='Mosaic',
    noise='AdditiveNoise',
    blur='MotionOrDefocusBlur',
    jpeg='JPEGArtefacts',
)
_renovation_train = {
    task: [dict(type='FlipFace'), dict(type=degradation), dict(type='PackFaceInputs')]
    for task, degradation in _degradations.items()
}
_renovation_test = {
    task: [dict(type=degradation, seed=2022), dict(type='PackFaceInputs')]
    for task, degradation in _degradations.items()
}
# Half of the training faces with one degradation of the mixture alone: a lightly degraded face is part of the training.
_mixed_or_single_train = [
    dict(type='FlipFace'),
    dict(type='MixedDegradation', single=0.5),
    dict(type='PackFaceInputs'),
]
