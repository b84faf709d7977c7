# fcg_gan_plus_x4, stage 3 of 8: generator and parsing of stage 2 with stage 2 of hrrm_plus_x4 (their init_cfg); rain
# removal and parsing have a twentieth of the learning rate.
_base_ = ['fcg_gan_plus_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = dict(_base_._mse_alone, pixel_loss=dict(_delete_=True, type='MSELoss'))
optim_wrapper = dict(generator=dict(optimizer=dict(lr=3e-4, weight_decay=1e-4)))
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=7000, val_interval=7000)
default_hooks = dict(checkpoint=dict(interval=200))
