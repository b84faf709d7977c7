# fcg_gan_plus_x4, stage 1 of 8: MSE only; the generator's batch norms use batch statistics while it adapts to a new J.
_base_ = ['fcg_gan_plus_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = dict(
    _base_._mse_alone, freeze_bn=('rain_removal', 'face_parser'), pixel_loss=dict(_delete_=True, type='MSELoss')
)
optim_wrapper = dict(
    generator=dict(slots=dict(rain_removal=0.15, face_parser=0.15), optimizer=dict(lr=3e-4, weight_decay=1e-4))
)
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=6000, val_interval=6000)
default_hooks = dict(checkpoint=dict(interval=200))
