"""Restore the test faces and measure PSNR and SSIM.

CHECKPOINT is a file, a zoo model (rainrestore://NAME), or "none" for a method that learns nothing. OUT receives
per_image.csv with the values of each face and sheet.png with the first faces (input, restored, truth, and the predicted
J, S, T, A and parsing). The last line printed is one JSON object with the means.

Conventions: PSNR and SSIM are on RGB without a border crop, on unrounded values clamped to 0..255; PSNR_crop4 and
SSIM_crop4 leave out the four outer pixels; PSNR_Y and SSIM_Y are on the luma of BT.601; PSNR_lr_img is the de-rained
small face J; MAE_streak, MAE_transmission and MAE_airlight are of S, T and A in 0..1; mIoU is of the parsing over the
annotated labels. A config's test_evaluator adds others: MSSSIM, LPIPS, NIQE, FID, IdentityDistance, LLE and
RestoredParsingMIoU.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from rainrestore.cli.options import add_cfg_options, add_launcher

NO_CHECKPOINT = 'none'
CROP = 4
#: Label in the table -> suffix of the keys.
CONVENTIONS = {'RGB, no crop': '', f'RGB, crop {CROP}': f'_crop{CROP}', 'Y (BT.601), no crop': '_Y',
               'J (small face), RGB, no crop': '_lr_img'}  # fmt: skip
STANDARD_METRICS: tuple[dict[str, Any], ...] = (
    {'type': 'PSNR'},
    {'type': 'SSIM'},
    {'type': 'PSNR', 'convert_to': 'Y'},
    {'type': 'SSIM', 'convert_to': 'Y'},
    {'type': 'PSNR', 'crop_border': CROP},
    {'type': 'SSIM', 'crop_border': CROP},
    {'type': 'PSNR', 'pred_key': 'lr_img'},
    {'type': 'MAE', 'pred_key': 'streak'},
    {'type': 'MAE', 'pred_key': 'transmission'},
    {'type': 'MAE', 'pred_key': 'airlight'},
    {'type': 'ParsingMIoU'},
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore test``."""
    parser.add_argument('config', help='a config file, or the name of one, e.g. fcg_gan_x4')
    parser.add_argument('checkpoint', help=f'a .pth or .safetensors file, rainrestore://NAME, or {NO_CHECKPOINT}')
    parser.add_argument(
        '--data',
        metavar='DIR',
        help='folder {train,val,test}/{img,mask} (default: RAINRESTORE_DATA, else the bundled faces)',
    )
    parser.add_argument(
        '--out', type=Path, metavar='DIR', help='where the results go (default: work_dirs/<config>/test)'
    )
    parser.add_argument('--split', default='test', help='sub-folder of the faces (default: test)')
    parser.add_argument('--device', help='cpu, cuda, cuda:1 (default: a GPU if there is one)')
    parser.add_argument(
        '--pictures', action='store_true', help='also write each restored face to OUT/restored/NAME.png'
    )
    parser.add_argument('--no-masks', action='store_true', help='the faces have no label maps: mIoU is left out')
    parser.add_argument('--images', type=int, default=8, help='faces on the sheet (default: 8)')
    add_launcher(parser)
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Test, write the results and print the summary."""
    from mmengine.dist import is_main_process

    from rainrestore.checkpoints import load_weights
    from rainrestore.device import find_device
    from rainrestore.engine.allocator import keep_freed_memory
    from rainrestore.engine.config import accept_faces_without_masks, load_config, set_require_masks
    from rainrestore.engine.config_check import check_config
    from rainrestore.engine.config_files import default_work_dir
    from rainrestore.engine.processes import joined
    from rainrestore.engine.screen import RestorationRunner, ScreenHook, warnings_in_log
    from rainrestore.engine.work_dir import writable
    from rainrestore.errors import ConfigError
    from rainrestore.threads import limit_threads

    keep_freed_memory()
    limit_threads()
    out = args.out or default_work_dir(args.config) / 'test'
    config = load_config(args.config, args.cfg_options, args.data)
    if args.no_masks:
        set_require_masks(config, False)
    accept_faces_without_masks(config, testing=True)
    config = for_testing(config, args.config, args.split, out, args.images)
    check_config(config)
    if args.pictures:
        config.custom_hooks.append({'type': 'RestoredPicturesHook', 'folder': str(out / 'restored')})
    device = None if args.device is None else find_device(args.device)
    if device is not None and args.launcher != 'none':
        raise ConfigError(
            '--device is for one process: each of several takes the GPU of its number, or the CPU where '
            'CUDA_VISIBLE_DEVICES is empty'
        )
    config.launcher = args.launcher
    with writable(out), warnings_in_log(), joined(args.launcher, config):
        runner = RestorationRunner.from_cfg(config)
        runner.register_hook(ScreenHook(args.config, args.checkpoint))
        if args.checkpoint != NO_CHECKPOINT:
            # several processes wrap it
            load_weights(getattr(runner.model, 'module', runner.model), args.checkpoint)
        if device is not None:
            runner.model.to(device)
        values = runner.test()
        if is_main_process():
            report(args, config, runner.test_dataloader.dataset, values, out)
    return 0


def report(args: argparse.Namespace, config: Config, dataset: Any, values: Mapping[str, Any], out: Path) -> None:
    """Print the table, where the files are, and one line of JSON."""
    print(format_table(values))
    print(f'per image: {out / "per_image.csv"}')
    print(f'sheet: {out / "sheet.png"}')
    if args.pictures:
        print(f'restored faces: {out / "restored"}')
    summary = {key: None if _is_infinite(value) else value for key, value in values.items()}
    summary |= {
        'images': len(dataset),
        'config': str(args.config),
        'checkpoint': args.checkpoint,
        'data': str(dataset.data_root),
        'split': args.split,
        'rain': _rain(dataset),
        'out': str(out),
    }
    print(json.dumps(summary))


def for_testing(config: Config, path: str | Path, split: str, out: Path, images: int) -> Config:
    """The config without training and validation, with the standard metrics beside its own, writing to ``out``.

    Raises:
        ConfigError: It has no test data.
    """
    from rainrestore.apis.restorer import without_training
    from rainrestore.errors import ConfigError

    if not config.get('test_dataloader'):
        raise ConfigError(f'{path}: no test_dataloader; add _base_/data.py to its _base_')
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
    config.default_hooks = {**config.get('default_hooks', {}), 'checkpoint': None}
    others = [hook for hook in config.get('custom_hooks') or [] if hook['type'] != 'RestorationSheetHook']
    sheet = {'type': 'RestorationSheetHook', 'images': images, 'path': str(out / 'sheet.png')}
    config.custom_hooks = [*others, sheet]
    # Nothing is drawn but the sheet, unless a hook of mmagic draws with a visualizer of mmagic; no TensorBoard file.
    visualizer = config.get('visualizer') or {}
    own = visualizer if visualizer.get('type') not in (None, 'Visualizer') else {'type': 'Visualizer'}
    config.visualizer = {**own, 'vis_backends': [{'type': 'LocalVisBackend'}] if own is visualizer else []}
    return config


def with_standard_metrics(evaluator: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """The standard metrics, each only where the restorer predicts it, and the config's others."""
    if isinstance(evaluator, Mapping):
        evaluator = evaluator.get('metrics', [evaluator])
    own = [dict(metric) for metric in ([evaluator] if isinstance(evaluator, Mapping) else evaluator or [])]
    standard = [{**metric, 'optional': True} for metric in STANDARD_METRICS]
    return standard + [metric for metric in own if {**metric, 'optional': True} not in standard]


def format_table(values: Mapping[str, float]) -> str:
    """PSNR and SSIM under the name of their convention, then everything else."""
    lines = [f'{"":32}{"PSNR":>10}{"SSIM":>10}']
    shown = set()
    for label, suffix in CONVENTIONS.items():
        keys = [f'PSNR{suffix}', f'SSIM{suffix}']
        if any(key in values for key in keys):
            psnr, ssim = (values.get(key) for key in keys)
            lines.append(f'{label:32}' + ('' if psnr is None else f'{psnr:7.2f} dB').rjust(10)
                         + ('' if ssim is None else f'{ssim:.4f}').rjust(10))  # fmt: skip
            shown.update(keys)
    others = {key: value for key, value in values.items() if key not in shown}
    lines += [
        f'{key:32}' + (f'{value:10.4f}' if isinstance(value, float) else str(value)) for key, value in others.items()
    ]
    return '\n'.join(lines)


def _is_infinite(value: Any) -> bool:
    """Infinite or NaN, which JSON cannot hold: the PSNR of a perfect restoration."""
    return isinstance(value, float) and not math.isfinite(value)


def _rain(dataset: Any) -> dict[str, Any] | None:
    """The distribution of the rain that a data set's pipeline makes, and its seed."""
    from rainrestore.physics import RAIN_RANGES, RainRanges

    for step in getattr(getattr(dataset, 'pipeline', None), 'transforms', ()):
        ranges = getattr(step, 'ranges', None)
        if isinstance(ranges, RainRanges):
            named = ranges.name in RAIN_RANGES
            return {'ranges': ranges.name if named else ranges.to_dict(), 'seed': step.seed}
    return None
