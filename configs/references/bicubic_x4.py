# The rainy image enlarged: rainrestore test bicubic_x4 none
_base_ = ['../_base_/data/rain_x4.py', '../_base_/runtime.py']

model = dict(type='ClassicRestorer', method='bicubic', scale=4)
