# fcg_gan_plus_x4, stage 1 of 2: without the perceptual and adversarial losses, from hrrm_plus_x4, fpm_x4 and the
# generator of the previous fcg_gan_plus_x4 (commit 3d65989). Run now, it starts from the present generator.
_base_ = ['fcg_gan_plus_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = dict(
    _base_._mse_alone,
    generator=dict(init_cfg=dict(type='Pretrained', checkpoint='rainrestore://fcg_gan_plus_x4', prefix='generator')),
)
optim_wrapper = dict(generator=dict(optimizer=dict(lr=5e-4)))
train_cfg = dict(max_iters=9000, val_interval=4500)
param_scheduler = dict(eta_min_ratio=0.02)
default_hooks = dict(checkpoint=dict(interval=500))
