# The paper's network with the eyes as its only local discriminator.
_base_ = '../fcg_gan_x4.py'

model = dict(local_discriminators=dict(_delete_=True, eyes={{_base_.model.local_discriminators.eyes}}))
