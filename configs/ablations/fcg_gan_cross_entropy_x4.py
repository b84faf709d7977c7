# The parsed face learned by cross-entropy; at the size of the errors here it weighs about as much as the squared one.
_base_ = '../fcg_gan_x4.py'

model = dict(parsing_loss=dict(type='ParsingCrossEntropyLoss', loss_weight=0.01))
