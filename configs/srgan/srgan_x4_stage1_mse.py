# srgan_x4 under MSE alone, with the schedule of fcg_gan_x4_stage1_mse; used in docs/results/weight_decay.md.
_base_ = ['srgan_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = _base_._mse_alone
train_cfg = dict(max_iters=3000, val_interval=3000)
param_scheduler = dict(eta_min_ratio=0.1)
default_hooks = dict(checkpoint=dict(interval=150))
