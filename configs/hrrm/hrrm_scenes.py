# hrrm_photos_x4, fine-tuned on whole scenes, such as the background of a photo: images of at least 48 pixels in --data
# FOLDER with {train,val,test}/img, cropped by tools/dataset_converters/scene_crops.py. The rain is light to heavy, the
# air clear to dense haze; T varies over the image; every seventh image has no rain. Weights for faces initialise it.
_base_ = ['hrrm_plus_x4.py', '../_base_/schedules/cosine.py']

restoration = dict(task='rain', size=48)
model = dict(
    rain_removal=dict(
        init_cfg=dict(type='Pretrained', checkpoint='rainrestore://hrrm_photos_x4', prefix='rain_removal')
    )
)
# Lengths of streaks are in pixels of an image of 32 pixels.
_weather = dict(
    type='BlindHeavyRain',
    scale=1,
    sides=(32, 48),
    ranges=dict(base='rain_wide', length=(2, 14), gain_per_length=0.08, beta=(0, 1.5)),
    layers=(0, 3),
    lens=(),
    camera=(
        dict(type='AdditiveNoise', sigma=(0, 4), lam=(0, 3)),
        dict(type='JPEGArtefacts', compression=(5, 30)),
    ),
    haze_variation=(0, 0.8),
    dry=0.14,
)
_seen = [dict(type='CropPair', size=48, random=False), dict(_weather, seed=2022), dict(type='PackFaceInputs')]
_scenes = dict(_delete_=True, type='PairedDataset', given=None, truth='img')

optim_wrapper = dict(optimizer=dict(lr=4e-4))
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        _scenes,
        pipeline=[dict(type='CropPair', size=48), dict(type='FlipPair'), _weather, dict(type='PackFaceInputs')],
    ),
)
val_dataloader = dict(dataset=dict(_scenes, split='val', pipeline=_seen))
test_dataloader = dict(dataset=dict(_scenes, split='test', pipeline=_seen))
train_cfg = dict(max_iters=4000, val_interval=1000)
param_scheduler = dict(eta_min_ratio=0.01)
default_hooks = dict(checkpoint=dict(interval=100))
custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.005, update_buffers=True)]
