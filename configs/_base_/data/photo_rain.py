# Pipelines: faces in photos. Any rain, clear air, colour casts, grey cameras, noise and JPEG. The light of the faces
# varies, so that T does not depend on the light of one data set.
_photo_weather = dict(
    type='BlindHeavyRain',
    sides=(20, 80),
    ranges=dict(base='rain_wide', beta=(0, 1.6), airlight=(0.35, 1.0)),
    layers=(0, 2),
    lens=(),
    camera=(
        dict(type='AdditiveNoise', sigma=(0, 25), lam=(0, 12)),
        dict(type='JPEGArtefacts', compression=(5, 88)),
    ),
    raw=0.4,
    haze_variation=(0, 0.4),
    cast=(0, 0.2),
    grey=0.2,
    dry=0.12,
    untouched=0.04,
)
_photo_light = dict(
    type='mmcv.RandomApply',
    prob=0.6,
    transforms=[
        dict(
            type='mmagic.ColorJitter',
            keys=['gt'],
            channel_order='rgb',
            brightness=(0.6, 1.3),
            contrast=(0.85, 1.25),
            saturation=(0.3, 1.3),
        )
    ],
)
_photo_pack = [dict(type='ParsingTarget', scale=4), dict(type='PackFaceInputs')]
_photo_train = [dict(type='FlipFace'), _photo_light, _photo_weather, *_photo_pack]
_photo_test = [dict(_photo_weather, seed=2022), *_photo_pack]
