# The learning rate falls along a cosine from the start to train_cfg.max_iters, to this part of it.
param_scheduler = dict(type='CosineAnnealingLR', by_epoch=False, eta_min_ratio=0.05)
