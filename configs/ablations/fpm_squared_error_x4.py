# L_F as in the paper (eq. 22): the squared error of the parsed face.
_base_ = '../fpm_x4.py'

model = dict(parsing_loss=dict(_delete_=True, type='ParsingLoss'))
