# Paper, section 3.7: as in the pre-training, but 80 epochs of 18,000 faces in batches of 16 = 90,000 iterations. The
# paper's weight decay is omitted; pretrain.py states the reason.
_generator_optimizer = dict(type='Adam', lr=1e-3, fused=True)
_discriminator_optimizer = dict(type='Adam', lr=1e-3, fused=True)

optim_wrapper = dict(
    constructor='SlotOptimWrapperConstructor',
    generator=dict(
        type='AutocastOptimWrapper', slots=['generator', 'rain_removal', 'face_parser'], optimizer=_generator_optimizer
    ),
    discriminator=dict(
        type='AutocastOptimWrapper', slots=['discriminator', 'local_discriminators'], optimizer=_discriminator_optimizer
    ),
)
train_cfg = dict(type='ResumableTrainLoop', max_iters=90_000, val_interval=1000)
