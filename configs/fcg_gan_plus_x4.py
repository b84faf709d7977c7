# The network of fcg_gan_x4 beyond the paper, at its cost: from hrrm_plus_x4 and from fcg_gan_x4's own parsing and
# generator, all of which keep their statistics; S, T and A supervised; what was pre-trained longest learns slowest.
_base_ = 'fcg_gan_x4.py'

_faithful = dict(type='Pretrained', checkpoint='rainrestore://fcg_gan_x4')
model = dict(
    rain_removal=dict(inverse=True, init_cfg=dict(checkpoint='rainrestore://hrrm_plus_x4')),
    face_parser=dict(init_cfg=dict(_faithful, prefix='face_parser')),
    generator=dict(init_cfg=dict(_faithful, prefix='generator')),
    fixed_norms=('rain_removal', 'face_parser', 'generator'),
    parameter_loss=dict(type='RainParameterLoss'),
)
optim_wrapper = dict(generator=dict(slots=dict(_delete_=True, generator=1.0, rain_removal=0.05, face_parser=0.05)))
