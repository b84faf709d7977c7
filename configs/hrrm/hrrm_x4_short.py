# The bundled rain removal module: a schedule for a CPU, decayed to a hundredth.
_base_ = ['../hrrm_x4.py', '../_base_/schedules/cosine.py']

train_cfg = dict(max_iters=600, val_interval=200)
param_scheduler = dict(eta_min_ratio=0.01)
default_hooks = dict(checkpoint=dict(interval=60))
