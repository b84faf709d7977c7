# The floor of raindrop removal: the face as it is seen. rainrestore test configs/raindrops_128.py none
_base_ = 'degraded_128.py'

test_dataloader = dict(dataset=dict(pipeline=[dict(type='RaindropsOnGlass', seed=2022), dict(type='PackFaceInputs')]))
