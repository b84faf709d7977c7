# Larger weights of the adversarial losses: 20 times for the global discriminator, 100 times for the local ones.
# Shares of the gradient norm, and the result: docs/results/ablations.md.
_base_ = '../fcg_gan_x4.py'

model = dict(adversarial_loss=dict(loss_weight=2e-2), local_adversarial_loss=dict(loss_weight=1e-2))
