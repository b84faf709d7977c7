# The bar for any learning: the contrast between the 1st and the 99th percentile stretched, then enlarged.
_base_ = 'bicubic_x4.py'

model = dict(method='stretch')
