# The estimator of the rain over the faces of photos: hrrm_plus_x4, fine-tuned on any rain, clear air, colour casts,
# grey cameras, noise and JPEG. The light of the faces varies, so that T does not depend on the light of one data set.
_base_ = ['hrrm_plus_x4.py', '../_base_/schedules/cosine.py']

model = dict(
    rain_removal=dict(init_cfg=dict(type='Pretrained', checkpoint='rainrestore://hrrm_plus_x4', prefix='rain_removal')),
    # Without a veil A is unknown.
    parameter_loss=dict(airlight=0.3),
    freeze_bn=('rain_removal',),
)
_weather = dict(
    type='BlindHeavyRain',
    sides=(20, 80),
    ranges=dict(
        noise_mean=(0.6, 1.2),
        noise_variance=(0.5, 1.2),
        length=(3.0, 16.0),
        angle=(45, 135),
        gain_base=0.2,
        gain_per_length=0.06,
        gain_jitter=0.5,
        beta=(0, 1.6),
        airlight=(0.35, 1.0),
    ),
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
_light = dict(
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
_pack = [dict(type='ParsingTarget', scale=4), dict(type='PackFaceInputs')]

optim_wrapper = dict(optimizer=dict(lr=7e-4))
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=[dict(type='FlipFace'), _light, _weather, *_pack]))
val_dataloader = dict(dataset=dict(pipeline=[dict(_weather, seed=2022), *_pack]))
test_dataloader = dict(dataset=dict(pipeline=[dict(_weather, seed=2022), *_pack]))
train_cfg = dict(max_iters=7500, val_interval=1500)
param_scheduler = dict(eta_min_ratio=0.01)
default_hooks = dict(checkpoint=dict(interval=500))
custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.005, update_buffers=True)]
