# The estimator of the rain over the faces of photos: hrrm_plus_x4, fine-tuned on any rain, clear air, colour casts,
# grey cameras, noise and JPEG.
_base_ = ['hrrm_plus_x4.py', '../_base_/data/photo_rain.py', '../_base_/schedules/cosine.py']

model = dict(
    rain_removal=dict(init_cfg=dict(type='Pretrained', checkpoint='rainrestore://hrrm_plus_x4', prefix='rain_removal')),
    # Without a veil A is unknown.
    parameter_loss=dict(airlight=0.3),
    freeze_bn=('rain_removal',),
)

optim_wrapper = dict(optimizer=dict(lr=7e-4))
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_base_._photo_train))
val_dataloader = dict(dataset=dict(pipeline=_base_._photo_test))
test_dataloader = dict(dataset=dict(pipeline=_base_._photo_test))
train_cfg = dict(max_iters=7500, val_interval=1500)
param_scheduler = dict(eta_min_ratio=0.01)
default_hooks = dict(checkpoint=dict(interval=500))
custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.005, update_buffers=True)]
