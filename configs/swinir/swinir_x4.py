# SwinIR on the rainy image, with a reduced trunk (see swinir_trunk.py). As SwinIR for classical super-resolution, it is
# trained with the pixel loss only, without discriminator and VGG. The loss is MSE as in all methods here, not L1.
_base_ = [
    '../_base_/models/swinir.py',
    '../_base_/data/rain_x4.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]
