# The paper's network with ESRGAN's trunk in place of SRGAN's.
_base_ = [
    '../_base_/models/fcg_gan.py',
    '../_base_/data/rain_x4.py',
    '../_base_/models/rrdb_trunk.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]

model = dict(generator=dict(trunk=dict(_base_._rrdb, _delete_=True)))
