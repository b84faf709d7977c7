# Raindrops on glass, pix2pix whose discriminator is held back: smoothed labels, and a generator that learns faster.
_base_ = 'raindrop_pix2pix.py'

model = dict(adversarial_loss=dict(real_label=0.9, fake_label=0.1))
optim_wrapper = dict(generator=dict(optimizer=dict(lr=5e-4)))
