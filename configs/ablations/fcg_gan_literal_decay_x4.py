# The paper's optimiser: Adam with weight decay 1e-4, which is stronger here than the gradients of the losses.
_base_ = '../fcg_gan_x4.py'

optim_wrapper = dict(
    generator=dict(optimizer=dict(weight_decay=1e-4)), discriminator=dict(optimizer=dict(weight_decay=1e-4))
)
