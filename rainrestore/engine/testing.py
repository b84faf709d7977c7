"""The test protocol: the standard metrics, the test config, and a test in this or in another process."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process

from rainrestore.checkpoints import load_weights
from rainrestore.config_files import default_work_dir
from rainrestore.device import find_device
from rainrestore.engine.allocator import keep_freed_memory
from rainrestore.engine.config import accept_faces_without_masks, check_outside_of_data, load_config, set_require_masks
from rainrestore.engine.config_check import check_config
from rainrestore.engine.processes import bare, joined
from rainrestore.engine.screen import RestorationRunner, ScreenHook, warnings_in_log
from rainrestore.engine.work_dir import writable
from rainrestore.errors import ConfigError, RainRestoreError, RunError
from rainrestore.models.folding import without_training
from rainrestore.physics import RAIN_RANGES, RainRanges
from rainrestore.threads import limit_threads

NO_CHECKPOINT = 'none'
CROP = 4
STANDARD_METRICS: tuple[dict[str, Any], ...] = (
    *({'type': kind, **way} for way in ({}, {'convert_to': 'Y'}, {'crop_border': CROP}) for kind in ('PSNR', 'SSIM')),
    {'type': 'PSNR', 'pred_key': 'lr_img'},
    *({'type': 'MAE', 'pred_key': name} for name in ('streak', 'transmission', 'airlight')),
    {'type': 'ParsingMIoU'},
)

#: Number of lines of the log in the error message of a test in another process.
TAIL = 15


def run_test(
    path: str | Path,
    checkpoint: str,
    data: str | None = None,
    out: Path | None = None,
    *,
    split: str = 'test',
    images: int = 8,
    save_restored: bool = False,
    masks: bool = True,
    device: str | None = None,
    launcher: str = 'none',
    options: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Restore and evaluate the test faces, and write ``per_image.csv`` and ``sheet.png``.

    Args:
        path: The config file.
        checkpoint: A file, ``rainrestore://NAME``, or ``none`` for a method without weights.
        data: Folder ``{train,val,test}/{img,mask}``; None for the folder in the config.
        out: Folder of the results; None for ``test`` in the default work dir of the config.
        split: Sub-folder of the faces.
        images: Number of faces on the sheet.
        save_restored: Whether to write each restored face to ``out/restored/NAME.png``.
        masks: Whether all faces need a mask.
        device: Name of the device; None for a GPU if there is one, else the CPU.
        launcher: Launcher of a distributed run; ``none`` for one process.
        options: Changes of the config, with dotted keys.

    Returns:
        The metrics, and a summary for JSON with the metrics (None for infinite or NaN values), the number of images,
        paths and the rain. None in all processes except the first.

    Raises:
        RainRestoreError: The config, the data or the checkpoint is invalid.
    """
    keep_freed_memory()
    limit_threads()
    out = out or default_work_dir(path) / 'test'
    config = load_config(path, options, data)
    if not masks:
        set_require_masks(config, False)
    accept_faces_without_masks(config, testing=True)
    config = for_testing(config, path, split, out, images)
    check_outside_of_data(out, config.test_dataloader)
    check_config(config)
    if save_restored:
        config.custom_hooks.append({'type': 'RestoredImagesHook', 'folder': str(out / 'restored')})
    place = None if device is None else find_device(device)
    if place is not None and launcher != 'none':
        raise ConfigError(
            '--device is for one process only: in a distributed run each process uses the GPU of its local rank, or '
            'the CPU if CUDA_VISIBLE_DEVICES is empty'
        )
    config.launcher = launcher
    with writable(out), warnings_in_log(), joined(launcher, config):
        runner = RestorationRunner.from_cfg(config)
        runner.register_hook(ScreenHook(str(path), checkpoint, out))
        if checkpoint != NO_CHECKPOINT:
            load_weights(bare(runner.model), checkpoint)
        if place is not None:
            runner.model.to(place)
        values = runner.test()
        if not is_main_process():
            return None
        dataset = runner.test_dataloader.dataset
        # JSON has neither infinity, such as the PSNR of equal images, nor NaN.
        infinite = {key for key, value in values.items() if isinstance(value, float) and not math.isfinite(value)}
        summary = values | dict.fromkeys(infinite)
        summary |= {
            'images': len(dataset),
            'config': str(path),
            'checkpoint': checkpoint,
            'data': str(dataset.data_root),
            'split': split,
            'rain': _rain(dataset),
            'out': str(out),
        }
        return values, summary


def run_test_apart(log: Path, *arguments: Any, **options: Any) -> dict[str, Any]:
    """:func:`run_test` in another process, because visualizers, loggers and scopes of mmengine are global.

    Args:
        log: File for the output of the process.
        *arguments: Arguments of :func:`run_test`.
        **options: Arguments of :func:`run_test`.

    Returns:
        The summary.

    Raises:
        RunError: The test failed. The message has the error or the end of the log.
    """
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        try:
            return pool.submit(_summary_of, log, arguments, options).result()
        except RainRestoreError as error:
            raise RunError(f'the test of {arguments[0]} failed: {error}') from error
        except BrokenProcessPool as error:
            lines = log.read_text(encoding='utf-8').strip().splitlines() if log.is_file() else []
            end = ' | '.join(lines[-TAIL:])
            raise RunError(f'the test of {arguments[0]} was killed; {log} ends with: {end}') from error


def _summary_of(log: Path, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    with open(log, 'w', encoding='utf-8') as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        found = run_test(*arguments, **options)
    assert found is not None
    return found[1]


def for_testing(config: Config, path: str | Path, split: str, out: Path, images: int) -> Config:
    """Change a config for a test: no training and validation, the standard metrics added, results in ``out``.

    Raises:
        ConfigError: The config has no test data.
    """
    if not config.get('test_dataloader'):
        raise ConfigError(f"{path}: no test_dataloader; add 'rainrestore::_base_/data/rain_x4.py' to its _base_")
    for name in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader', 'val_cfg',
                 'val_evaluator', 'load_from'):  # fmt: skip
        config[name] = None
    if config.get('model'):
        config.model = without_training(config.model)
    config.resume = False
    config.test_dataloader.dataset.split = split
    config.test_cfg = config.get('test_cfg') or {}
    config.model_wrapper_cfg = {'type': 'rainrestore.RestorerDataParallel'}
    config.test_evaluator = {
        'type': 'RestorationEvaluator',
        'metrics': with_standard_metrics(config.get('test_evaluator')),
        'per_image': str(out / 'per_image.csv'),
    }
    config.work_dir = str(out / 'log')
    config.default_hooks = {**(config.get('default_hooks') or {}), 'checkpoint': None}
    others = [hook for hook in config.get('custom_hooks') or [] if hook['type'] != 'RestorationSheetHook']
    sheet = {'type': 'RestorationSheetHook', 'images': images, 'path': str(out / 'sheet.png')}
    config.custom_hooks = [*others, sheet]
    # Only the sheet is drawn, without TensorBoard files. Hooks of mmagic need the config's visualizer of mmagic.
    visualizer = config.get('visualizer') or {}
    own = visualizer if visualizer.get('type') not in (None, 'Visualizer') else {'type': 'Visualizer'}
    config.visualizer = {**own, 'vis_backends': [{'type': 'LocalVisBackend'}] if own is visualizer else []}
    return config


def with_standard_metrics(evaluator: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """The standard metrics (each skipped if the restorer lacks the prediction), and the other metrics of the config."""
    if isinstance(evaluator, Mapping):
        evaluator = evaluator.get('metrics', [evaluator])
    own = [dict(metric) for metric in ([evaluator] if isinstance(evaluator, Mapping) else evaluator or [])]
    standard = [{**metric, 'optional': True} for metric in STANDARD_METRICS]
    return standard + [metric for metric in own if {**metric, 'optional': True} not in standard]


def _rain(dataset: Any) -> dict[str, Any] | None:
    """The distribution and the seed of the rain in the pipeline of a data set."""
    for step in getattr(getattr(dataset, 'pipeline', None), 'transforms', ()):
        ranges = getattr(step, 'ranges', None)
        if isinstance(ranges, RainRanges):
            named = ranges.name in RAIN_RANGES
            return {'ranges': ranges.name if named else ranges.to_dict(), 'seed': step.seed}
    return None
