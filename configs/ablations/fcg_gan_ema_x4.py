# Testing and restoration use an exponential moving average of the weights and batch-norm statistics, with a time
# constant of 200 iterations (momentum 0.005).
_base_ = '../fcg_gan_x4.py'

custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.005, update_buffers=True)]
