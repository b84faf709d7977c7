# ESRGAN on the rainy image directly: its trunk (reduced, see _base_/rrdb.py) and its relativistic average loss. The
# upsampling and the weights of the losses are those of srgan_x4.py, so that the two differ in what ESRGAN is about.
_base_ = 'fcg_esrgan_x4.py'

model = dict(
    rain_removal=None,
    face_parser=None,
    adversarial_loss=dict(type='RelativisticAdversarialLoss'),
    local_discriminators=None,
    local_adversarial_loss=None,
    rain_loss=None,
    parsing_loss=None,
)
