# Improved rain removal with the MACs of hrrm_x4: J from the solved rain model, S, T and A supervised, no VGG.
_base_ = '../hrrm_x4.py'

model = dict(rain_removal=dict(inverse=True), parameter_loss=dict(type='RainParameterLoss'), perceptual_loss=None)
