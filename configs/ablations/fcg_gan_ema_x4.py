# Testing and restoration use the moving average of the weights and the batch-norm statistics over some 100 iterations.
_base_ = '../fcg_gan_x4.py'

custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.005, update_buffers=True)]
