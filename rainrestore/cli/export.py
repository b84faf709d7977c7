"""Write a model as one file that runs without this package: ONNX or TorchScript.

The file takes any batch and any sides of at least 8 pixels, and carries names, ranges, colour order, scale and the
licence of its weights. It is checked against PyTorch on random faces of several sides and batches, and written only if
it agrees; the last line is one JSON object with the largest difference of each output. ONNX needs the extra packages of
pip install 'rainrestore[export]'.
"""

import argparse
import json
from pathlib import Path

SUFFIXES = {'onnx': '.onnx', 'torchscript': '.pt'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore export``."""
    parser.add_argument('model', help='a model of the zoo, such as fcg_gan_x4, or a config with --checkpoint')
    parser.add_argument('--format', choices=sorted(SUFFIXES), default='onnx', help='default: onnx')
    parser.add_argument('-o', '--out', type=Path, help='file to write (default: MODEL.onnx or MODEL.pt here)')
    parser.add_argument('--checkpoint', help="other weights than the zoo model's: a .pth or .safetensors file")
    parser.add_argument(
        '--physics', action='store_true', help='also write J, S, T, A and F, which a face alone does not need'
    )


def run(args: argparse.Namespace) -> int:
    """Export, print the differences and the summary."""
    from rainrestore.apis.export import CHECKS, export

    out = args.out or Path(Path(args.model.rpartition('/')[2]).stem + SUFFIXES[args.format])
    exported = export(args.model, out, args.format, args.checkpoint, args.physics)
    sizes = ', '.join(f'{count} of {width}x{height}' for count, height, width in CHECKS)
    print(f'checked against PyTorch on random faces ({sizes}); largest absolute difference:')
    for output, difference in exported.max_difference.items():
        print(f'  {output:8} {difference:.1e}')
    summary = {
        'file': str(exported.path),
        'format': args.format,
        'bytes': exported.path.stat().st_size,
        'max_difference': exported.max_difference,
        **exported.metadata,
    }
    print(json.dumps(summary))
    return 0
