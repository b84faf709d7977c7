# For faces of 32 pixels in the rain of rain_v1, beyond the paper: the network of fcg_gan_plus.py.
_base_ = [
    '../_base_/models/fcg_gan_plus.py',
    '../_base_/data/rain_x4.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]

# A lower learning rate for the pre-trained modules.
optim_wrapper = dict(generator=dict(slots=dict(_delete_=True, generator=1.0, rain_removal=0.2, face_parser=0.2)))
train_dataloader = dict(batch_size=4)
