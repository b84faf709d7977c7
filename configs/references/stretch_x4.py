# A baseline without learning: stretch the contrast between the 1st and the 99th percentile, then enlarge.
_base_ = 'bicubic_x4.py'

model = dict(method='stretch')
