# The bundled rain removal and parsing modules, pre-trained.
_base_ = 'hrrm.py'

model = dict(
    rain_removal=dict(init_cfg=dict(type='Pretrained', checkpoint='rainrestore://hrrm_x4', prefix='rain_removal')),
    face_parser=dict(type='FaceParsingUNet', base_channels=16, out_channels=19),
    parsing_loss=dict(type='ParsingLoss'),
)
