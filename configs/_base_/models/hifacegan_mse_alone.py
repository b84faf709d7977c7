# The first stage of HiFaceGAN: the pixel loss only.
_hifacegan_mse_alone = dict(
    pixel_loss=dict(_delete_=True, type='MSELoss'),
    perceptual_loss=None,
    discriminator=None,
    adversarial_loss=None,
    feature_loss=None,
)
