# An improved fcg_gan_x4 with the same number of multiplications. Rain removal starts from hrrm_plus_x4, parsing and
# generator from fcg_gan_x4, all with fixed batch-norm statistics. S, T and A are supervised. PSNR is the pixel loss.
# There is no weight decay. Rain removal and parsing have a lower learning rate.
_base_ = '../fcg_gan_x4.py'

_faithful = dict(type='Pretrained', checkpoint='rainrestore://fcg_gan_x4')
model = dict(
    rain_removal=dict(inverse=True, init_cfg=dict(checkpoint='rainrestore://hrrm_plus_x4')),
    face_parser=dict(init_cfg=dict(_faithful, prefix='face_parser')),
    generator=dict(init_cfg=dict(_faithful, prefix='generator')),
    freeze_bn=('rain_removal', 'face_parser', 'generator'),
    parameter_loss=dict(type='RainParameterLoss'),
    # This weight gives a gradient similar to MSELoss.
    pixel_loss=dict(_delete_=True, type='mmagic.PSNRLoss', loss_weight=1e-3),
)
optim_wrapper = dict(
    generator=dict(
        slots=dict(_delete_=True, generator=1.0, rain_removal=0.05, face_parser=0.05), optimizer=dict(weight_decay=0)
    )
)
