# The parsing module F behind the pre-trained rain removal (paper eq. 22).
model = dict(
    type='FaceParser',
    rain_removal=dict(
        type='HRRM',
        encoder=dict(type='DenseNetEncoder'),
        init_cfg=dict(type='Pretrained', checkpoint='rainrestore://hrrm_x4', prefix='rain_removal'),
    ),
    face_parser=dict(type='FaceParsingUNet', base_channels=16, out_channels=19),
    # the paper's squared error learns no eye, brow or lip: docs/results/parsing.md
    parsing_loss=dict(type='ParsingCrossEntropyLoss', label_shares='celebamask_hq'),
)
