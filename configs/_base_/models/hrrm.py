# The rain removal module on its own: J, S, T, A of the rainy image (paper eqs. 17-20).
model = dict(
    type='RainRemover',
    rain_removal=dict(
        type='HRRM',
        # the paper names DenseNet, but no width
        encoder=dict(type='DenseNetEncoder', growth=16, blocks=(4, 6, 8), stem_channels=32, stem_stride=1),
        decoder_growth=(64, 64, 32, 32),
    ),
    rain_loss=dict(type='RainReconstructionLoss'),
    perceptual_loss=dict(type='PerceptualLoss', loss_weight=0.1),
)
