# The width of the bundled rain removal module. The paper names DenseNet, but no width.
model = dict(
    rain_removal=dict(
        type='HRRM',
        encoder=dict(type='DenseNetEncoder', growth=16, blocks=(4, 6, 8), stem_channels=32, stem_stride=1),
        decoder_growth=(64, 64, 32, 32),
    )
)
