# fcg_gan_plus_x4, stage 2 of 8: from stage 1's weights (load_from), with the batch-norm statistics of stage 1.
_base_ = ['fcg_gan_plus_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = dict(_base_._mse_alone, pixel_loss=dict(_delete_=True, type='MSELoss'))
optim_wrapper = dict(
    generator=dict(slots=dict(rain_removal=0.15, face_parser=0.15), optimizer=dict(lr=3e-4, weight_decay=1e-4))
)
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=10000, val_interval=10000)
default_hooks = dict(checkpoint=dict(interval=200))
