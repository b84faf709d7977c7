# HRRM + FPM + FCG-GAN, the paper's network (eqs. 23-32), from the bundled HRRM and FPM.
_base_ = [
    '_base_/models/fcg_gan.py',
    '_base_/data/rain_x4.py',
    '_base_/schedules/joint.py',
    '_base_/runtime.py',
]
