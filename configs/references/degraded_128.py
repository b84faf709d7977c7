# Face renovation: the unchanged degraded face. rainrestore test degraded_128 none
_base_ = ['../_base_/data/rain_x4.py', '../_base_/data/renovation.py', '../_base_/runtime.py']

restoration = dict(task='renovate', size=128)
model = dict(type='ClassicRestorer', method='bicubic', scale=1)
test_dataloader = dict(dataset=dict(pipeline=_base_._renovation_test['mixed']))
