# A GAN before its full loss: the pixels alone, without what makes a face five times as expensive.
_mse_alone = dict(
    perceptual_loss=None,
    discriminator=None,
    adversarial_loss=None,
    local_discriminators=None,
    local_adversarial_loss=None,
)
