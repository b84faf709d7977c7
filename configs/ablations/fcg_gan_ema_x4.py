# The moving average of the weights and their statistics, over some hundred iterations, is tested and restored with.
_base_ = '../fcg_gan_x4.py'

custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.005, update_buffers=True)]
