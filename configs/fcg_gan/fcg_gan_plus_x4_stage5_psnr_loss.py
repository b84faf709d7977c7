# fcg_gan_plus_x4, stage 5 of 8: from stage 4's weights (load_from), the PSNR as a loss and no weight decay.
_base_ = ['fcg_gan_plus_x4.py', '../_base_/models/mse_alone.py', '../_base_/schedules/cosine.py']

model = _base_._mse_alone
optim_wrapper = dict(generator=dict(optimizer=dict(lr=3e-4)))
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=6500, val_interval=6500)
default_hooks = dict(checkpoint=dict(interval=200))
