"""The error for a misspelt component or option names the most similar one."""

import pytest

from rainrestore.engine.config_check import check_config
from rainrestore.errors import ConfigError
from rainrestore.registry import HOOKS, MODELS, check_component


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ({'type': 'FCGGAM'}, "type='FCGGAM': no model has this name .did you mean 'FCGGAN'"),
        ({'type': 'FCGGAN', 'generatr': {}}, "FCGGAN has no option 'generatr' .did you mean 'generator'"),
        # An option of a base class of the component.
        ({'type': 'HiFaceGAN', 'discriminater': {}}, "HiFaceGAN has no option 'discriminater' .did you mean 'discrim"),
        # Components of mmengine and torch are also checked.
        ({'type': 'BaseDataPreprocessor', 'non_blockin': 1}, "BaseDataPreprocessor has no option 'non_blockin'"),
    ],
)
def test_wrong_name_is_an_error_with_a_suggestion(config: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MODELS.build(config)
    with pytest.raises(ConfigError, match=message):
        check_config({'model': config})


def test_correct_names_are_accepted() -> None:
    check_component({'type': 'FCGGAN', 'generator': {}, 'freeze_bn': (), '_scope_': 'rainrestore'}, MODELS)
    check_component({'type': 'HiFaceGAN', 'feature_loss': None, 'contrastive_loss': None, 'generator': {}}, MODELS)
    check_component({'type': 'CheckpointHook', 'interval': 1, 'save_best': 'PSNR'}, HOOKS)


def test_names_are_checked_at_every_place_of_a_config() -> None:
    model = {'model': {'type': 'ClassicRestorer'}}
    check_config(model | {'test_evaluator': {'type': 'RestorationEvaluator', 'metrics': [{'type': 'PSNR'}]}})
    for config, message in (
        ({'model': None}, '^model: must be a component'),
        ({'val_evaluator': [{'type': 'PSNRR'}]}, "'PSNR'"),
        ({'test_evaluator': {'type': 'PSNRR'}}, "'PSNR'"),
        ({'custom_hooks': [{'type': 'EMAHok'}]}, "'EMAHook'"),
        ({'train_dataloader': {'dataset': {'type': 'FaceDatset'}}}, 'no dataset has this name'),
        ({'test_dataloader': {'dataset': {'pipeline': [{'type': 'FlipFaec'}]}}}, "'FlipFace'"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_config(model | config)
