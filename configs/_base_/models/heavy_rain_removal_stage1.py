# Heavy-Rain Removal (Li, Cheong & Tan, CVPR 2019), stage 1 only: the estimator of streaks, transmission and airlight.
model = dict(
    type='HeavyRainRemover',
    rain_removal=dict(
        type='HeavyRainEstimator',
        # Reduced for a CPU: the widths are 256, 64 and 64 in the original.
        decomposition=dict(type='GuidedFilterDecomposition', radii=(2, 4, 8, 16, 32), eps=(1e-3, 1e-4)),
        streak=dict(type='StreakNet', channels=32, num_blocks=3),
        transmission=dict(type='UNet', out_channels=1, base_channels=8, levels=5),
        airlight=dict(type='AirlightNet', base_channels=16, levels=4),
        scale=4,
    ),
    parameter_loss=dict(type='RainParameterLoss', transmission_gradient=0.5),
)
