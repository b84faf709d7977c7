# fcg_gan_blind_x4, stage 2 of 3: generator of stage 1 (generator.init_cfg), hrrm_blind_x4 (rain_removal.init_cfg).
_base_ = ['fcg_gan_blind_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = dict(
    _base_._mse_alone,
    rain_removal=dict(init_cfg=dict(checkpoint='work_dirs/hrrm/hrrm_blind_x4/iter_15000.pth')),
    generator=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/fcg_gan/fcg_gan_blind_x4_stage1_psnr/iter_8438.pth',
            prefix='generator',
        )
    ),
)
optim_wrapper = dict(generator=dict(optimizer=dict(lr=5e-4)))
train_cfg = dict(max_iters=14000, val_interval=7000)
param_scheduler = dict(eta_min_ratio=0.02)
default_hooks = dict(checkpoint=dict(interval=500))
