"""The error for a misspelt component or option names the most similar one."""

import math

import numpy as np
import pytest

from rainrestore.engine.config_check import check_config
from rainrestore.errors import ConfigError
from rainrestore.registry import (
    FACE_DETECTORS,
    HOOKS,
    METRICS,
    MODELS,
    TRANSFORMS,
    check_component,
    check_values,
    options_of,
)


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


@pytest.mark.parametrize(
    ('registry', 'config', 'message'),
    [
        (METRICS, {'type': 'PSNR', 'prefix': 3}, r'^PSNR\.prefix: must be of type str \| None, got 3$'),
        (METRICS, {'type': 'PSNR', 'optional': 'no'}, r"^PSNR\.optional: must be of type bool, got 'no'$"),
        (METRICS, {'type': 'PSNR', 'pred_key': None}, r'^PSNR\.pred_key: must be of type str, got None$'),
        (METRICS, {'type': 'PSNR', 'crop_border': '4'}, r"^PSNR\.crop_border: must be of type int, got '4'$"),
        (METRICS, {'type': 'SSIM', 'crop_border': True}, r'^SSIM\.crop_border: must be of type int, got True$'),
        (METRICS, {'type': 'SSIM', 'crop_border': math.nan}, r'^SSIM\.crop_border: must be finite, got nan$'),
        (METRICS, {'type': 'MSSSIM', 'scales': 4.0}, r'^MSSSIM\.scales: must be of type int, got 4\.0$'),
        (METRICS, {'type': 'NIQE', 'block': '96'}, r"^NIQE\.block: must be of type int, got '96'$"),
        (METRICS, {'type': 'ParsingMIoU', 'collect_device': 0}, r'^ParsingMIoU\.collect_device: must be of type str'),
        (TRANSFORMS, {'type': 'FlipFace', 'prob': math.inf}, r'^FlipFace\.prob: must be finite, got inf$'),
        (HOOKS, {'type': 'CheckpointHook', 'interval': 'x'}, r'^CheckpointHook\.interval: must be of type int'),
    ],
)
def test_wrong_value_is_an_error_in_python_as_in_a_config(registry, config: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.build(config)


def test_numbers_of_numpy_are_numbers() -> None:
    assert METRICS.build({'type': 'PSNR', 'crop_border': np.int64(4)}).key == 'PSNR_crop4'
    detector = options_of(FACE_DETECTORS.get('MTCNNDetector'))
    check_values({'threshold': np.float32(0.5), 'smallest_face': np.int32(20)}, 'detector', detector)
    for wrong in ({'threshold': np.float32('nan')}, {'threshold': -np.inf}, {'smallest_face': np.float64(20)}):
        with pytest.raises(ConfigError, match=rf'detector\.{next(iter(wrong))}: must be'):
            check_values(wrong, 'detector', detector)


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
