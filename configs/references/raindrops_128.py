# Raindrop removal: the unchanged face behind the drops. rainrestore test raindrops_128 none
_base_ = ['../_base_/data/rain_x4.py', '../_base_/data/raindrops.py', '../_base_/runtime.py']

restoration = dict(task='raindrops', size=128)
model = dict(type='ClassicRestorer', method='bicubic', scale=1)
test_dataloader = dict(dataset=dict(pipeline=_base_._raindrops_test))
