# Stronger discriminators. With the paper's weights the global discriminator has 6e-4 and each local one 3e-4 of the
# gradient norm of the pixel loss (rainrestore audit). Here each has a few per cent.
_base_ = '../fcg_gan_x4.py'

model = dict(adversarial_loss=dict(loss_weight=2e-2), local_adversarial_loss=dict(loss_weight=1e-2))
