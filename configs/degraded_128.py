# The floor of face renovation: the degraded face as it is. rainrestore test configs/degraded_128.py none
_base_ = 'bicubic_x4.py'

model = dict(scale=1)
test_dataloader = dict(dataset=dict(pipeline=[dict(type='MixedDegradation', seed=2022), dict(type='PackFaceInputs')]))
