# The paper's network with SwinIR's trunk (Liang et al. 2021) in place of SRGAN's.
_base_ = [
    '../_base_/models/fcg_gan.py',
    '../_base_/data/rain_x4.py',
    '../_base_/models/swinir_trunk.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]

model = dict(generator=dict(trunk=dict(_base_._swinir, _delete_=True)))
