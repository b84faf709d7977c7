# ESRGAN on the rainy image: its trunk (reduced, see rrdb_trunk.py) and its relativistic average loss. Upsampling and
# loss weights are the same as in srgan_x4.py, so the two methods differ only in ESRGAN's changes.
_base_ = [
    '../_base_/models/srgan.py',
    '../_base_/data/rain_x4.py',
    '../_base_/models/rrdb_trunk.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]

model = dict(
    generator=dict(trunk=dict(_base_._rrdb, _delete_=True)),
    adversarial_loss=dict(type='RelativisticAdversarialLoss'),
)
