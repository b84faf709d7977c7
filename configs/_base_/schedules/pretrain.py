# Paper, section 3.7: Adam 1e-3, weight decay 1e-4, 200 epochs of 18,000 faces in batches of 64 = 56,250 iterations.
optim_wrapper = dict(type='AutocastOptimWrapper', optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-4, fused=True))
train_cfg = dict(type='ResumableTrainLoop', max_iters=56_250, val_interval=1000)
