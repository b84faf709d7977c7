# Paper, section 3.7: Adam 1e-3, 200 epochs of 18,000 faces in batches of 64 = 56,250 iterations. The paper's weight
# decay of 1e-4 is omitted: Adam adds it to the gradient, and the losses here are means, not sums as in the paper, and
# therefore 10^4 to 10^5 times smaller. ablations/*_literal_decay_x4.py use it.
optim_wrapper = dict(type='AutocastOptimWrapper', optimizer=dict(type='Adam', lr=1e-3, fused=True))
train_cfg = dict(type='ResumableTrainLoop', max_iters=56_250, val_interval=1000)
