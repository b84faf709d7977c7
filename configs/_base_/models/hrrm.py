# The rain removal network alone: J, S, T, A of the rainy image (paper eqs. 17-20).
model = dict(
    type='RainRemover',
    rain_removal=dict(type='HRRM', encoder=dict(type='DenseNetEncoder')),
    rain_loss=dict(type='RainReconstructionLoss'),
    perceptual_loss=dict(type='PerceptualLoss', loss_weight=0.1),
)
