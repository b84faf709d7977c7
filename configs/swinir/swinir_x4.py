# SwinIR on the rainy image directly, its trunk reduced (see swinir_trunk.py). SwinIR for classical super-resolution is
# trained under a pixel loss alone, and so is this: no discriminator, no VGG. MSE as in all methods here, not its L1.
_base_ = [
    '../_base_/models/swinir.py',
    '../_base_/data/rain_x4.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]
