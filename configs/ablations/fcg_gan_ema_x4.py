# What is tested and restored with is the moving average of the weights, and of the statistics that belong to them, over
# some hundred iterations.
_base_ = '../fcg_gan_x4.py'

custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.005, update_buffers=True)]
