# The bundled parsing module: 384,000 faces, after which its mIoU has levelled off.
_base_ = 'fpm_x4_short.py'

train_cfg = dict(max_iters=24000, val_interval=3000)
