# HRRM pre-training with a VGG encoder about as costly as the DenseNet of hrrm_x4.py, the paper's choice.
_base_ = '../hrrm_x4.py'

model = dict(rain_removal=dict(encoder=dict(_delete_=True, type='VGGEncoder', stem_channels=16)))
