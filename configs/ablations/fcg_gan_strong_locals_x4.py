# Stronger discriminators. The shares of the gradient norm, and the result: docs/results/ablations.md.
_base_ = '../fcg_gan_x4.py'

model = dict(adversarial_loss=dict(loss_weight=2e-2), local_adversarial_loss=dict(loss_weight=1e-2))
