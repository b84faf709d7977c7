# FPM at the width of the original U-Net, from the checkpoint of hrrm_paper_x4 in work_dirs.
_base_ = '../fpm_x4.py'

model = dict(
    rain_removal=dict(
        encoder=dict(_delete_=True, type='TorchvisionEncoder', name='densenet121', weights=None),
        decoder_growth=(128, 128, 64, 32, 16, 16),
        bottleneck=4,
        init_cfg=dict(checkpoint='work_dirs/paper/hrrm_paper_x4/iter_56250.pth'),
    ),
    face_parser=dict(base_channels=64),
)
