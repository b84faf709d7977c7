# Raindrops on glass, pix2pix: U-Net with a bottleneck at 1/16 of the resolution, equal learning rates of both networks;
# 50 epochs.
_base_ = 'raindrop_cgan.py'

model = dict(generator=dict(network=dict(levels=4, skips=True, residual=False)))
optim_wrapper = dict(generator=dict(optimizer=dict(lr=2e-4)))
train_cfg = dict(max_iters=5375, val_interval=430)
