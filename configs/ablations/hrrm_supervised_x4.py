# HRRM pre-training with S, T and A supervised, which synthetic rain allows and the paper's loss does not include.
_base_ = '../hrrm_x4.py'

model = dict(parameter_loss=dict(type='RainParameterLoss'))
