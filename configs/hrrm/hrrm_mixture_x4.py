# A mixture of hrrm_photos_x4 (any rain) and hrrm_plus_x4 (heavy rain): a gate weights both for each face. 30 % of the
# faces of the training have the rain of hrrm_plus_x4, as all faces of the test; those of the validation have any rain.
_base_ = [
    'hrrm_plus_x4.py',
    '../_base_/models/rain_mixture.py',
    '../_base_/data/photo_rain.py',
    '../_base_/schedules/cosine.py',
]

_pretrained = dict(type='Pretrained', prefix='rain_removal')
model = dict(
    rain_removal=dict(
        _base_._rain_mixture,
        experts=[
            dict(_base_._expert, init_cfg=dict(_pretrained, checkpoint='rainrestore://hrrm_photos_x4')),
            dict(_base_._expert, init_cfg=dict(_pretrained, checkpoint='rainrestore://hrrm_plus_x4')),
        ],
    ),
    # A mean of logarithms: all faces have the same weight, independent of the strength of the rain.
    rain_loss=dict(reconstruction_weight=0, pixel_loss=dict(type='mmagic.PSNRLoss', loss_weight=1e-3)),
    parameter_loss=None,
    freeze_bn=('rain_removal',),
)
_weather = dict(
    type='mmcv.RandomChoice',
    transforms=[[dict(type='ScaleAwareHeavyRain', scale=4)], [_base_._photo_light, _base_._photo_weather]],
    prob=[0.3, 0.7],
)

# Only the gate is trained.
optim_wrapper = dict(optimizer=dict(lr=1e-3), paramwise_cfg=dict(custom_keys={'experts': dict(lr_mult=0)}))
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=[dict(type='FlipFace'), _weather, *_base_._photo_pack]))
val_dataloader = dict(dataset=dict(pipeline=_base_._photo_test))
train_cfg = dict(max_iters=1500, val_interval=500)
param_scheduler = dict(eta_min_ratio=0.01)
default_hooks = dict(checkpoint=dict(interval=250))
