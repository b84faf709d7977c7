# HRRM + FPM + FCG-GAN at published sizes, from the checkpoints of hrrm_paper_x4 and fpm_paper_x4 in work_dirs.
_base_ = '../fcg_gan_x4.py'

_discriminator = dict(base_channels=64)
model = dict(
    rain_removal=dict(
        encoder=dict(_delete_=True, type='TorchvisionEncoder', name='densenet121', weights=None),
        decoder_growth=(128, 128, 64, 32, 16, 16),
        bottleneck=4,
        init_cfg=dict(checkpoint='work_dirs/paper/hrrm_paper_x4/iter_56250.pth'),
    ),
    face_parser=dict(base_channels=64, init_cfg=dict(checkpoint='work_dirs/paper/fpm_paper_x4/iter_56250.pth')),
    generator=dict(trunk=dict(channels=64, num_blocks=16), channels=64),
    discriminator=_discriminator,
    local_discriminators=dict(
        eyes=dict(discriminator=_discriminator),
        nose=dict(discriminator=_discriminator),
        lips=dict(discriminator=_discriminator),
    ),
)
