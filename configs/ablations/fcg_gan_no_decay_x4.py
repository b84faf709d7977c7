# The generator's side learns without weight decay.
_base_ = '../fcg_gan_x4.py'

optim_wrapper = dict(generator=dict(optimizer=dict(weight_decay=0)))
