# Pipelines: faces of 16 to 64 pixels, resized to 32, with or without rain and uneven haze of any strength, blur,
# sharpening, noise and JPEG. In the training, a quarter of the faces has the rain of rain_v1.
_blind = [
    dict(
        type='BlindHeavyRain',
        sides=(16, 64),
        camera=[
            dict(type='AdditiveNoise', sigma=(0, 12), lam=(0, 8)),
            dict(type='Sharpening'),
            dict(type='JPEGArtefacts', compression=(5, 60)),
        ],
        haze_variation=(0, 0.5),
        dry=0.2,
        untouched=0.1,
    ),
    dict(type='ParsingTarget', scale=4),
    dict(type='PackFaceInputs'),
]
_blind_train = [
    dict(type='FlipFace'),
    dict(
        type='mmcv.RandomChoice',
        transforms=[[dict(type='ScaleAwareHeavyRain', scale=4)], [_blind[0]]],
        prob=[0.25, 0.75],
    ),
    *_blind[1:],
]
_blind_test = [dict(_blind[0], seed=2022), *_blind[1:]]
