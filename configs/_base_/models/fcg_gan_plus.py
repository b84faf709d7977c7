# HRRM + FPM + generator beyond the paper: J is the solved rain model, without a predicted correction; S, T and A are
# supervised; F is an input of the trunk, which has no batch norm; the output is added to the enlarged J.
_base_ = 'fcg_gan.py'

model = dict(
    rain_removal=dict(inverse=True, correction=False, init_cfg=dict(checkpoint='rainrestore://hrrm_plus_x4')),
    generator=dict(
        trunk=dict(_delete_=True, type='EDSRTrunk', channels=48, num_blocks=16),
        parsing_at='input',
        residual=True,
        subpixel_head=True,
    ),
    freeze_bn=('rain_removal', 'face_parser'),
    # A mean of logarithms: all faces have the same weight, independent of the strength of the rain.
    pixel_loss=dict(_delete_=True, type='mmagic.PSNRLoss', loss_weight=1e-3),
    adversarial_loss=dict(type='RelativisticAdversarialLoss'),
    local_adversarial_loss=dict(type='RelativisticAdversarialLoss'),
    parameter_loss=dict(type='RainParameterLoss'),
)
