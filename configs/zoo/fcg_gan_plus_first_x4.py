# fcg_gan_plus_x4, first part: MSE alone, the generator's statistics those of the batch while it gets used to another J.
_base_ = ['../fcg_gan_plus_x4.py', '../_base_/mse_alone.py']

max_iters = 6000
model = {
    **_base_.mse_alone,
    'fixed_norms': ('rain_removal', 'face_parser'),
    'pixel_loss': dict(_delete_=True, type='MSELoss'),
}
optim_wrapper = dict(
    generator=dict(slots=dict(rain_removal=0.15, face_parser=0.15), optimizer=dict(lr=3e-4, weight_decay=1e-4))
)
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min_ratio=0.05)]
default_hooks = dict(checkpoint=dict(interval=200))
