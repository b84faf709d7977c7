# Cosine schedule of the learning rate over train_cfg.max_iters iterations; eta_min_ratio is final / initial rate.
param_scheduler = dict(type='CosineAnnealingLR', by_epoch=False, eta_min_ratio=0.05)
