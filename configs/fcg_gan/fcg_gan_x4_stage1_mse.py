# fcg_gan_x4, stage 1 of 2: MSE, without the perceptual and adversarial losses. On a CPU, the full loss takes five times
# as long per face.
_base_ = ['../fcg_gan_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = _base_._mse_alone
train_cfg = dict(max_iters=3000, val_interval=3000)
param_scheduler = dict(eta_min_ratio=0.1)
default_hooks = dict(checkpoint=dict(interval=150))
