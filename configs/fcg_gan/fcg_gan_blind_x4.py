# For faces of 16 to 64 pixels in rain, haze, blur, sharpening, noise and JPEG of any strength, or in none of them,
# resized to its 32. fcg_gan_plus_x4's network.
_base_ = [
    '../_base_/models/fcg_gan_plus.py',
    '../_base_/data/rain_x4.py',
    '../_base_/data/blind_rain.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]

# In photos the veil comes from hrrm_plus_x4: its own T leaves a veil at T below 0.6 and sees one in clear air
# (docs/results/photos.md).
restoration = dict(task='faces', size=32, estimator='hrrm_plus_x4')
# the pre-trained modules learn more slowly
optim_wrapper = dict(generator=dict(slots=dict(_delete_=True, generator=1.0, rain_removal=0.2, face_parser=0.2)))
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=_base_._blind_train))
val_dataloader = dict(dataset=dict(pipeline=_base_._blind_test))
test_dataloader = dict(dataset=dict(pipeline=_base_._blind_test))
