# HRRM pre-training with a ResNet encoder in place of the paper's DenseNet, with 0.64 times the MACs.
_base_ = '../hrrm_x4.py'

model = dict(rain_removal=dict(encoder=dict(_delete_=True, type='ResNetEncoder', stem_channels=16)))
