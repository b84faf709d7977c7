# HiFaceGAN for the zoo, first part: MSE alone, at the rate of the other networks' first parts.
_base_ = '../hifacegan_128.py'

max_iters = 1000
model = dict(
    pixel_loss=dict(_delete_=True, type='MSELoss'),
    perceptual_loss=None,
    discriminator=None,
    adversarial_loss=None,
    feature_loss=None,
)
optim_wrapper = dict(generator=dict(optimizer=dict(lr=1e-3, betas=(0.9, 0.999))))
train_dataloader = dict(batch_size=8)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, end=max_iters, eta_min=1e-4)]
default_hooks = dict(checkpoint=dict(interval=50))
