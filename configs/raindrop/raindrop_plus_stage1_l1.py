# First stage of raindrop_plus.py: without the perceptual loss, which costs four times as much as the rest.
_base_ = 'raindrop_plus.py'

model = dict(perceptual_loss=None)
