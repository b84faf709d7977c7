# Pix2pix (Isola et al. 2017): U-Net, 70x70 PatchGAN of concat(I, H), L1; on the input resized to 128.
model = dict(
    type='ConditionalGAN',
    generator=dict(
        type='ImageToImageGenerator',
        # Reduced: 7 halvings for 128 pixels, and width 32. The original has 8 halvings for 256 pixels, and width 64.
        # Dropout is on in training only, so that the results are deterministic. The original also has it on in testing.
        network=dict(
            type='mmagic.UnetGenerator',
            _scope_='mmagic',
            out_channels=3,
            num_down=7,
            base_channels=32,
            use_dropout=True,
        ),
        multiple=128,
        scale=4,
    ),
    # base_channels is 64 in the original
    discriminator=dict(type='mmagic.PatchDiscriminator', _scope_='mmagic', in_channels=6, base_channels=32, num_conv=3),
    # The original's weight of 100 is for values in [-1, 1], where differences are twice as large as in [0, 1].
    pixel_loss=dict(type='mmagic.L1Loss', loss_weight=200.0),
    adversarial_loss=dict(type='CrossEntropyAdversarialLoss', loss_weight=1.0),
)
