"""Restore the test faces and measure PSNR and SSIM.

CHECKPOINT is a file, a zoo model (rainrestore://NAME), or "none" for a method without weights. OUT receives
per_image.csv with the values of each face and sheet.png with the first faces (input, restored face, ground truth, and
the predicted J, S, T, A and F). The last line printed is one JSON object with the means.

Conventions: PSNR and SSIM are computed on RGB without a border crop, on unrounded values clamped to 0..255; PSNR_crop4
and SSIM_crop4 omit the four outer pixels; PSNR_Y and SSIM_Y use the luma of BT.601; PSNR_lr_img measures the small
rain-free face J; MAE_streak, MAE_transmission and MAE_airlight measure S, T and A in 0..1; mIoU measures the parsed
face F over the annotated labels. test_evaluator of the config adds other metrics: MSSSIM, LPIPS, NIQE, FID,
IdentityDistance, LLE and RestoredParsingMIoU.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from rainrestore.cli.options import add_shared, file_path, print_json, whole_number

#: Label in the table -> suffix of the keys.
CONVENTIONS = {'RGB, no crop': '', 'RGB, crop 4': '_crop4', 'Y (BT.601), no crop': '_Y',
               'J (small face), RGB, no crop': '_lr_img'}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore test``."""
    add = parser.add_argument
    add_shared(parser, 'config')
    add('checkpoint', help='a .pth or .safetensors file, rainrestore://NAME, or none')
    add_shared(parser, '--data')
    add('--out', type=file_path, metavar='DIR', help='folder for the results (default: work_dirs/<config>/test)')
    add('--split', default='test', help='sub-folder of the faces (default: test)')
    add_shared(parser, '--device')
    add('--save-restored', action='store_true', help='also write each restored face to OUT/restored/NAME.png')
    add('--no-masks', dest='masks', action='store_false', help='do not require masks; omit mIoU')
    add('--images', type=whole_number, default=8, help='faces on the sheet (default: 8)')
    add_shared(parser, '--launcher', '--cfg-options')


def run(args: argparse.Namespace) -> None:
    """Test, write the results and print the summary."""
    from rainrestore.engine.testing import run_test

    found = run_test(
        args.config, args.checkpoint, args.data, args.out, split=args.split, images=args.images,
        save_restored=args.save_restored, masks=args.masks, device=args.device, launcher=args.launcher,
        options=args.cfg_options,
    )  # fmt: skip
    if found is not None:
        values, summary = found
        out = Path(summary['out'])
        print(format_table(values))
        print(f'per image: {out / "per_image.csv"}')
        print(f'sheet: {out / "sheet.png"}')
        if args.save_restored:
            print(f'restored faces: {out / "restored"}')
        print_json(summary)


def format_table(values: Mapping[str, float]) -> str:
    """A table of PSNR and SSIM, a line for each convention, then the other metrics."""
    lines = [f'{"":32}{"PSNR":>10}{"SSIM":>10}']
    others = dict(values)
    for label, suffix in CONVENTIONS.items():
        psnr, ssim = others.pop(f'PSNR{suffix}', None), others.pop(f'SSIM{suffix}', None)
        if psnr is not None or ssim is not None:
            lines.append(f'{label:32}' + ('' if psnr is None else f'{psnr:7.2f} dB').rjust(10)
                         + ('' if ssim is None else f'{ssim:.4f}').rjust(10))  # fmt: skip
    lines += [
        f'{key:32}' + (f'{value:10.4f}' if isinstance(value, float) else str(value)) for key, value in others.items()
    ]
    return '\n'.join(lines)
