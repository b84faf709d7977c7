# HiFaceGAN (Yang et al. 2020): renovation of faces of 128 pixels with blur, noise, compression and low resolution, in
# random order.
_base_ = [
    '../_base_/models/hifacegan.py',
    '../_base_/data/rain_x4.py',
    '../_base_/data/renovation.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]

restoration = dict(task='renovate', size=128)
# Not in the paper: the output is added to the input, so that details of the input stay.
model = dict(generator=dict(network=dict(residual=True)))
# Two time scales as in SPADE: half and twice 2e-4.
_adam = dict(betas=(0.0, 0.9), weight_decay=0)
optim_wrapper = dict(
    generator=dict(optimizer=dict(lr=1e-4, **_adam)), discriminator=dict(optimizer=dict(lr=4e-4, **_adam))
)
train_dataloader = dict(dataset=dict(pipeline=_base_._renovation_train['mixed']))
val_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['mixed']))
test_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['mixed']))
