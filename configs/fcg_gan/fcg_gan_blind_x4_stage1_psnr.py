# fcg_gan_blind_x4, stage 1 of 2: without the perceptual and adversarial losses, from hrrm_mixture_x4, and the generator
# and parser of the previous fcg_gan_blind_x4 (commit 29c4aab). Run now, it starts from the present weights.
_base_ = ['fcg_gan_blind_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = dict(
    _base_._mse_alone,
    face_parser=dict(init_cfg=dict(checkpoint='rainrestore://fcg_gan_blind_x4')),
    generator=dict(init_cfg=dict(type='Pretrained', checkpoint='rainrestore://fcg_gan_blind_x4', prefix='generator')),
)
optim_wrapper = dict(generator=dict(optimizer=dict(lr=5e-4)))
train_cfg = dict(max_iters=5500, val_interval=5500)
param_scheduler = dict(eta_min_ratio=0.02)
default_hooks = dict(checkpoint=dict(interval=500))
