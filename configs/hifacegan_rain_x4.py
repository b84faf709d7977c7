# HiFaceGAN on the heavy-rain task beside FCG-GAN: the rainy image enlarged to 128 pixels, neither physics nor parsing.
_base_ = 'hifacegan_128.py'

_rainy = [dict(type='ScaleAwareHeavyRain', scale=4, seed=2022), dict(type='ParsingTarget'), dict(type='PackFaceInputs')]

model = dict(generator=dict(scale=4))
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='FlipFace'),
            dict(type='ScaleAwareHeavyRain', scale=4),
            dict(type='ParsingTarget'),
            dict(type='PackFaceInputs'),
        ]
    )
)
val_dataloader = dict(dataset=dict(pipeline=_rainy))
test_dataloader = dict(dataset=dict(pipeline=_rainy))
