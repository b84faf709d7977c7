# SRGAN on the rainy image, without rain removal, parsing and local discriminators.
_base_ = [
    '../_base_/models/srgan.py',
    '../_base_/data/rain_x4.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]
