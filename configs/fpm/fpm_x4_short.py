# The bundled parsing module: a schedule for a CPU, decayed to a hundredth.
_base_ = ['../fpm_x4.py', '../_base_/schedules/cosine.py']

train_cfg = dict(max_iters=800, val_interval=200)
param_scheduler = dict(eta_min_ratio=0.01)
default_hooks = dict(checkpoint=dict(interval=50))
