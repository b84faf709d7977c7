# The bundled parsing network: 384,000 faces, after which the mIoU does not rise any more.
_base_ = 'fpm_x4_short.py'

train_cfg = dict(max_iters=24000, val_interval=3000)
