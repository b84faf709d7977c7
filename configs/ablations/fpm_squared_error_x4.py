# L_F as in the paper (eq. 22): the squared error of the parsed face.
_base_ = '../fpm/fpm_x4_short.py'

model = dict(parsing_loss=dict(_delete_=True, type='ParsingLoss'))
