# HiFaceGAN before its own losses: the pixels alone.
_hifacegan_mse_alone = dict(
    pixel_loss=dict(_delete_=True, type='MSELoss'),
    perceptual_loss=None,
    discriminator=None,
    adversarial_loss=None,
    feature_loss=None,
)
