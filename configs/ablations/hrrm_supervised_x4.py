# HRRM pre-training with S, T and A supervised, which synthetic rain allows and the paper's loss leaves out.
_base_ = '../hrrm_x4.py'

model = dict(parameter_loss=dict(type='RainParameterLoss'))
