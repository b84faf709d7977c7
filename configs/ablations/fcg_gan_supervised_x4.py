# The paper's network with S, T and A supervised.
_base_ = '../fcg_gan_x4.py'

model = dict(parameter_loss=dict(type='RainParameterLoss'))
