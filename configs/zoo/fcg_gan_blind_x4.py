# The network for any rain, second part: the paper's loss, from the first part's weights (load_from).
_base_ = ['fcg_gan_x4.py', '../_base_/blind_rain.py']

train_dataloader = dict(dataset=dict(pipeline=_base_.blind_training))
val_dataloader = dict(dataset=dict(pipeline=_base_.blind_testing))
test_dataloader = dict(dataset=dict(pipeline=_base_.blind_testing))
