# Face SR (Song et al. 2019) as the paper compares with it: the rainy image and its parsed face at the input layer of
# SRGAN's generator. The paper does not say where F comes from without rain removal: here from I alone, learned from
# scratch with the rest. To start from a parsing module of fpm_rainy_x4.py: --cfg-options load_from=CHECKPOINT
_base_ = 'fcg_gan_x4.py'

model = dict(
    rain_removal=None,
    face_parser=dict(init_cfg=None),
    generator=dict(parsing_at='input'),
    local_discriminators=None,
    local_adversarial_loss=None,
    rain_loss=None,
)
