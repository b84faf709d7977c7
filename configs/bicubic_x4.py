# The floor: the rainy image enlarged. tools/test.py configs/bicubic_x4.py none
_base_ = ['_base_/data.py', '_base_/runtime.py']

model = dict(type='ClassicRestorer', method='bicubic', scale=4)
test_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
