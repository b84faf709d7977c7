# L_F as cross-entropy with equal weights for all labels.
_base_ = '../fpm/fpm_x4_short.py'

model = dict(parsing_loss=dict(label_shares=None))
