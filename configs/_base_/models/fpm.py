# The parsing network F with the pre-trained rain removal network (paper eq. 22).
model = dict(
    type='FaceParser',
    rain_removal=dict(
        type='HRRM',
        encoder=dict(type='DenseNetEncoder'),
        init_cfg=dict(type='Pretrained', checkpoint='rainrestore://hrrm_x4', prefix='rain_removal'),
    ),
    face_parser=dict(type='FaceParsingUNet', base_channels=16, out_channels=19),
    # The paper's squared error learns the small components more slowly: docs/results/parsing.md.
    parsing_loss=dict(type='ParsingCrossEntropyLoss', label_shares='celebamask_hq'),
)
