# Pipelines: faces of 24 to 48 pixels in rain, blur, noise and JPEG of any strength, resized to 32.
_blind = [dict(type='BlindHeavyRain'), dict(type='ParsingTarget', scale=4), dict(type='PackFaceInputs')]
_blind_train = [dict(type='FlipFace'), *_blind]
_blind_test = [dict(_blind[0], seed=2022), *_blind[1:]]
