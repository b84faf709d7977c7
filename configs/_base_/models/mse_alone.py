# The first stage of a GAN: without the perceptual and adversarial losses. On a CPU, the full loss takes five times as
# long per face.
_mse_alone = dict(
    perceptual_loss=None,
    discriminator=None,
    adversarial_loss=None,
    local_discriminators=None,
    local_adversarial_loss=None,
)
