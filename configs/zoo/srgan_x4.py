# SRGAN for the comparison, second part; the same schedule and faces as fcg_gan_x4.
_base_ = 'fcg_gan_x4.py'

model = dict(
    rain_removal=None,
    face_parser=None,
    local_discriminators=None,
    local_adversarial_loss=None,
    rain_loss=None,
    parsing_loss=None,
)
