# Rain removal for fcg_gan_blind_x4: hrrm_plus_x4, fine-tuned on rain of any strength or none, blur, noise and JPEG.
_base_ = ['hrrm_plus_x4.py', '../_base_/data/blind_rain.py', '../_base_/schedules/cosine.py']

model = dict(
    rain_removal=dict(init_cfg=dict(type='Pretrained', checkpoint='rainrestore://hrrm_plus_x4', prefix='rain_removal')),
    freeze_bn=('rain_removal',),
)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=_base_._blind_train))
val_dataloader = dict(dataset=dict(pipeline=_base_._blind_test))
test_dataloader = dict(dataset=dict(pipeline=_base_._blind_test))
train_cfg = dict(max_iters=15000, val_interval=3000)
param_scheduler = dict(eta_min_ratio=0.02)
default_hooks = dict(checkpoint=dict(interval=500))
