# HRRM pre-training with a VGG encoder in place of the paper's DenseNet, with 0.78 times the MACs.
_base_ = '../hrrm_x4.py'

model = dict(rain_removal=dict(encoder=dict(_delete_=True, type='VGGEncoder', stem_channels=16)))
