# The network of fcg_gan_x4 beyond the paper, at its cost: from hrrm_plus_x4 and from fcg_gan_x4's own parsing and
# generator, all of which keep their statistics; S, T and A supervised; the PSNR itself as a loss, and no weight decay;
# what was pre-trained longest learns slowest.
_base_ = '../fcg_gan_x4.py'

_faithful = dict(type='Pretrained', checkpoint='rainrestore://fcg_gan_x4')
model = dict(
    rain_removal=dict(inverse=True, init_cfg=dict(checkpoint='rainrestore://hrrm_plus_x4')),
    face_parser=dict(init_cfg=dict(_faithful, prefix='face_parser')),
    generator=dict(init_cfg=dict(_faithful, prefix='generator')),
    freeze_bn=('rain_removal', 'face_parser', 'generator'),
    parameter_loss=dict(type='RainParameterLoss'),
    # where the error is what it is here, as heavy as MSELoss
    pixel_loss=dict(_delete_=True, type='mmagic.PSNRLoss', loss_weight=1e-3),
)
optim_wrapper = dict(
    generator=dict(
        slots=dict(_delete_=True, generator=1.0, rain_removal=0.05, face_parser=0.05), optimizer=dict(weight_decay=0)
    )
)
