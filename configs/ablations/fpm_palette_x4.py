# F as a colour image, as in the paper's Fig. 6, learned with the squared error.
_base_ = '../fpm/fpm_x4_short.py'

_observe = [dict(type='ParsingTarget', scale=4, kind='palette'), dict(type='PackFaceInputs')]
_test = [dict(type='ScaleAwareHeavyRain', scale=4, seed=2022), *_observe]

model = dict(
    face_parser=dict(out_channels=3, activation='sigmoid'), parsing_loss=dict(_delete_=True, type='ParsingLoss')
)
train_dataloader = dict(
    dataset=dict(pipeline=[dict(type='FlipFace'), dict(type='ScaleAwareHeavyRain', scale=4), *_observe])
)
val_dataloader = dict(dataset=dict(pipeline=_test))
test_dataloader = dict(dataset=dict(pipeline=_test))
default_hooks = dict(checkpoint=dict(save_best='MAE_parsing', rule='less'))
val_evaluator = [dict(type='MAE', pred_key='parsing')]
test_evaluator = [dict(type='MAE', pred_key='parsing')]
