# A GAN without what makes a face five times as expensive, for --warm-up of a benchmark.
mse_alone = dict(
    perceptual_loss=None,
    discriminator=None,
    adversarial_loss=None,
    local_discriminators=None,
    local_adversarial_loss=None,
)
