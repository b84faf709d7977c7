# ESRGAN's relativistic loss for every discriminator.
_base_ = '../fcg_gan_x4.py'

model = dict(
    adversarial_loss=dict(type='RelativisticAdversarialLoss'),
    local_adversarial_loss=dict(type='RelativisticAdversarialLoss'),
)
