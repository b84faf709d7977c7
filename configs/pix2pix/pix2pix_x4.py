# Pix2pix (Isola et al. 2017) on the rainy image, resized to 128.
_base_ = [
    '../_base_/models/pix2pix.py',
    '../_base_/data/rain_x4.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]

_adam = dict(lr=2e-4, betas=(0.5, 0.999), weight_decay=0)
optim_wrapper = dict(generator=dict(optimizer=_adam), discriminator=dict(optimizer=_adam))
