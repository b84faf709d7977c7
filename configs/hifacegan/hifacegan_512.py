# HiFaceGAN at the size and on the schedule of its public code: 512 pixels, 5 levels, b = 64, LSGAN loss, two faces a
# step; 30 epochs of 18,000 faces at constant rates, then 20 in which they fall linearly to 0.
# --data FOLDER with {train,val,test}/img of 512x512 faces; masks are not needed.
# tools/dataset_converters/celebamask_hq.py --size 512 makes one.
_base_ = 'hifacegan_128.py'

restoration = dict(size=512)
_faces = dict(size=512, require_masks=False)

model = dict(
    generator=dict(
        network=dict(base_channels=64, levels=5, hidden=128, norm='batch', stem_norm=True, residual=False), multiple=32
    ),
    discriminator=dict(base_channels=64),
    adversarial_loss=dict(type='LeastSquaresAdversarialLoss'),
)
_epoch = 18_000 // 2
train_cfg = dict(max_iters=50 * _epoch, val_interval=_epoch)
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, start_factor=1.0, end_factor=0.0, begin=30 * _epoch, end=50 * _epoch)
]
train_dataloader = dict(batch_size=2, dataset=_faces)
val_dataloader = dict(batch_size=2, dataset=_faces)
test_dataloader = dict(batch_size=2, dataset=_faces)
