# Paper, section 3.7: as the pre-training, but batch 16 and 80 epochs of 18,000 faces = 90,000 iterations.
_adam = dict(type='Adam', lr=1e-3, weight_decay=1e-4, fused=True)
optim_wrapper = dict(
    constructor='SlotOptimWrapperConstructor',
    generator=dict(type='AutocastOptimWrapper', slots=['generator', 'rain_removal', 'face_parser'], optimizer=_adam),
    discriminator=dict(type='AutocastOptimWrapper', slots=['discriminator', 'local_discriminators'], optimizer=_adam),
)
train_cfg = dict(type='ResumableTrainLoop', max_iters=90_000, val_interval=1000)
