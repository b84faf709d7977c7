# A U-Net that predicts the drop mask and the difference behind the drops: L1, perceptual loss, mask cross-entropy.
model = dict(
    type='RaindropRemover',
    generator=dict(type='RaindropUNet', base_channels=24, levels=4, shuffle=2, reference_side=128),
    pixel_loss=dict(type='mmagic.L1Loss', loss_weight=1.0),
    perceptual_loss=dict(type='PerceptualLoss', layers=('relu2_2', 'relu3_3'), loss_weight=1e-3),
    mask_weight=0.01,
)
