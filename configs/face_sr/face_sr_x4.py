# Face SR (Song et al. 2019) as in the paper's comparison: SRGAN's generator on the rainy image and its parsed face. The
# paper does not define F without rain removal; here it is computed from I and learned from scratch with the rest. To
# start from a parsing network of fpm_rainy_x4.py: --cfg-options load_from=CHECKPOINT
_base_ = [
    '../_base_/models/srgan.py',
    '../_base_/data/rain_x4.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]

model = dict(
    face_parser=dict(type='FaceParsingUNet', base_channels=16, out_channels=19),
    generator=dict(parsing_at='input'),
    parsing_loss=dict(type='ParsingCrossEntropyLoss', label_shares='celebamask_hq', loss_weight=0.01),
)
