# SwinIR (Liang et al. 2021) on the rainy image: generator and MSE only.
_base_ = 'swinir_trunk.py'

model = dict(
    type='FCGGAN',
    generator=dict(type='FCGGenerator', trunk=_base_._swinir, channels=32, scale=4),
    pixel_loss=dict(type='MSELoss'),
)
