# The estimator of Li, Cheong & Tan (CVPR 2019), for a CPU: widths are 256, 64 and 64 in the original.
model = dict(
    rain_removal=dict(
        type='HeavyRainEstimator',
        decomposition=dict(type='GuidedFilterDecomposition', radii=(2, 4, 8, 16, 32), eps=(1e-3, 1e-4)),
        streak=dict(type='StreakNet', channels=32, num_blocks=3),
        transmission=dict(type='UNet', out_channels=1, base_channels=8, levels=5),
        airlight=dict(type='AirlightNet', base_channels=16, levels=4),
        scale=4,
    )
)
