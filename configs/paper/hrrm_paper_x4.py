# HRRM at published sizes: DenseNet-121 up to transition 3, decoders as wide as DCPDN's. With ImageNet weights:
# --cfg-options model.rain_removal.encoder.weights=DEFAULT
_base_ = '../hrrm_x4.py'

model = dict(
    rain_removal=dict(
        encoder=dict(_delete_=True, type='TorchvisionEncoder', name='densenet121', weights=None),
        decoder_growth=(128, 128, 64, 32, 16, 16),
        bottleneck=4,
    )
)
