# SwinIR on the rainy image directly, its trunk reduced (see fcg_swinir_x4.py). SwinIR for classical super-resolution
# is trained under a pixel loss alone, and so is this: no discriminator, no VGG. MSE as in all methods here, not its L1.
_base_ = 'fcg_swinir_x4.py'

model = dict(
    rain_removal=None,
    face_parser=None,
    discriminator=None,
    adversarial_loss=None,
    local_discriminators=None,
    local_adversarial_loss=None,
    perceptual_loss=None,
    rain_loss=None,
    parsing_loss=None,
)
