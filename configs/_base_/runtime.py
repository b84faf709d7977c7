default_scope = 'rainrestore'
default_hooks = dict(
    # By iteration, because there are no epochs, and every validation would be logged at step 0.
    logger=dict(type='LoggerHook', interval=10, log_metric_by_epoch=False),
    checkpoint=dict(
        type='WholeCheckpointHook', by_epoch=False, interval=1000, max_keep_ckpts=2, save_best='PSNR', rule='greater'
    ),
)
log_processor = dict(by_epoch=False)
visualizer = dict(
    type='Visualizer',
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
)
custom_hooks = [
    dict(type='RestorationSheetHook'),
    dict(type='FiniteLossHook'),
    dict(type='StopSignalHook'),
    dict(type='TrainingWatchHook'),
]
# For distributed training (docs/distributed.md). mmengine looks it up without the default scope.
model_wrapper_cfg = dict(type='rainrestore.RestorerDataParallel')
val_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
test_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
randomness = dict(seed=2022)
