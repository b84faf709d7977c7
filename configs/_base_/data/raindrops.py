# Pipelines: raindrops rendered on the glass before the face.
_raindrops_train = [dict(type='FlipFace'), dict(type='RaindropsOnGlass'), dict(type='PackFaceInputs')]
_raindrops_test = [dict(type='RaindropsOnGlass', seed=2022), dict(type='PackFaceInputs')]
