# HiFaceGAN as published: 512 pixels, 5 levels, b = 64, two faces a step. --data FOLDER with {train,val,test}/img of
# 512x512 faces; masks are not needed. tools/dataset_converters/celebamask_hq.py --size 512 makes one.
_base_ = 'hifacegan_128.py'

_faces = dict(size=512, require_masks=False)

model = dict(
    generator=dict(network=dict(base_channels=64, levels=5, hidden=128), multiple=32),
    discriminator=dict(base_channels=64),
)
train_dataloader = dict(batch_size=2, dataset=_faces)
val_dataloader = dict(batch_size=2, dataset=_faces)
test_dataloader = dict(batch_size=2, dataset=_faces)
