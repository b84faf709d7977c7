# For faces of 16 to 64 pixels, resized to 32, with or without rain, haze, blur, sharpening, noise and JPEG of any
# strength.
_base_ = [
    '../_base_/models/fcg_gan_plus.py',
    '../_base_/models/rain_mixture.py',
    '../_base_/data/rain_x4.py',
    '../_base_/data/blind_rain.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]

# In photos hrrm_photos_x4 estimates J, S, T and A (docs/results/photos.md).
restoration = dict(task='faces', size=32, estimator='hrrm_photos_x4')
model = dict(
    rain_removal=dict(
        _base_._rain_mixture,
        init_cfg=dict(type='Pretrained', checkpoint='rainrestore://hrrm_mixture_x4', prefix='rain_removal'),
    )
)
# A lower learning rate for the pre-trained modules.
optim_wrapper = dict(generator=dict(slots=dict(_delete_=True, generator=1.0, rain_removal=0.05, face_parser=0.2)))
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=_base_._blind_train))
val_dataloader = dict(dataset=dict(pipeline=_base_._blind_test))
test_dataloader = dict(dataset=dict(pipeline=_base_._blind_test))
