# Raindrops on glass, pix2pix with a weakened discriminator: smoothed labels, and a higher rate of the generator.
_base_ = 'raindrop_pix2pix.py'

model = dict(adversarial_loss=dict(real_label=0.9, fake_label=0.1))
optim_wrapper = dict(generator=dict(optimizer=dict(lr=5e-4)))
