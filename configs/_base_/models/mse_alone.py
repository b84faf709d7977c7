# The first stage of a GAN: the pixel loss only; the other losses take five times as long per face.
_mse_alone = dict(
    perceptual_loss=None,
    discriminator=None,
    adversarial_loss=None,
    local_discriminators=None,
    local_adversarial_loss=None,
)
