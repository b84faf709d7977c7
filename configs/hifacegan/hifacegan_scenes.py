# HiFaceGAN on joint rain and haze in general scenes: images of at least 128 pixels in --data FOLDER with
# {train,val,test}/img; the depth is a smooth random map.
_base_ = 'hifacegan_128.py'

restoration = dict(task='rain')
model = dict(generator=dict(network=dict(residual=False)))
_weather = dict(type='RainAndHaze', ranges=dict(length=(1.5, 5.0), beta=(0.5, 2.5), layers=2))
_seen = [dict(type='CropPair', size=128, random=False), dict(_weather, seed=2022), dict(type='PackFaceInputs')]

train_dataloader = dict(
    dataset=dict(
        type='PairedDataset',
        given=None,
        truth='img',
        pipeline=[dict(type='CropPair', size=128), dict(type='FlipPair'), _weather, dict(type='PackFaceInputs')],
    )
)
val_dataloader = dict(dataset=dict(type='PairedDataset', given=None, truth='img', pipeline=_seen))
test_dataloader = dict(dataset=dict(type='PairedDataset', given=None, truth='img', pipeline=_seen))
