# Paper, section 3.7: Adam with learning rate 1e-3, 200 epochs of 18,000 faces in batches of 64 = 56,250 iterations.
# The paper's weight decay of 1e-4 is omitted. Adam adds the decay to the gradient of the loss. The losses here are
# means, with gradients 10^4 to 10^5 times smaller than those of sums over pixels. A decay of 1e-4 would outweigh them
# (docs/results/weight_decay.md). ablations/*_literal_decay_x4.py have this decay.
optim_wrapper = dict(type='AutocastOptimWrapper', optimizer=dict(type='Adam', lr=1e-3, fused=True))
train_cfg = dict(type='ResumableTrainLoop', max_iters=56_250, val_interval=1000)
