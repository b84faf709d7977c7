# SRGAN on the rainy image directly: neither rain removal nor parsing nor local discriminators.
_base_ = 'fcg_gan_x4.py'

model = dict(
    rain_removal=None,
    face_parser=None,
    local_discriminators=None,
    local_adversarial_loss=None,
    rain_loss=None,
    parsing_loss=None,
)
