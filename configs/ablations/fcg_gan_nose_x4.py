# The paper's network with the nose as its only local discriminator.
_base_ = '../fcg_gan_x4.py'

model = dict(local_discriminators=dict(_delete_=True, nose={{_base_.model.local_discriminators.nose}}))
