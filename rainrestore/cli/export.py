"""Write a model as one file that runs without this package: ONNX or TorchScript.

The file accepts any batch size and any sides of at least 8 pixels. Its metadata contains names, ranges, colour order,
scale and the licence of the weights. The command compares its outputs with PyTorch on random faces of several sizes
and batches, and writes it only if they agree. The last line is one JSON object with the largest difference of each
output. ONNX needs pip install 'rainrestore[export]'.
"""

import argparse
from pathlib import Path

from rainrestore.cli.options import add_shared, file_path, print_json

SUFFIXES = {'onnx': '.onnx', 'torchscript': '.pt'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore export``."""
    add = parser.add_argument
    add('model', help='a model of the zoo, such as fcg_gan_x4, or a config with --checkpoint')
    add('--format', choices=sorted(SUFFIXES), default='onnx', help='default: onnx')
    out = 'file to write (default: MODEL.onnx or MODEL.pt in the working directory)'
    add('-o', '--out', type=file_path, help=out)
    add_shared(parser, '--checkpoint')
    add('--physics', action='store_true', help='also output J, S, T, A and F')


def run(args: argparse.Namespace) -> None:
    """Export, print the differences and the summary."""
    from rainrestore.apis.export import CHECKS, export

    out = args.out or Path(Path(args.model.rpartition('/')[2]).stem + SUFFIXES[args.format])
    exported = export(args.model, out, args.format, args.checkpoint, args.physics)
    sizes = ', '.join(f'{count} of {width}x{height}' for count, height, width in CHECKS)
    print(f'checked against PyTorch on random faces ({sizes}); largest absolute difference:')
    for output, difference in exported.max_difference.items():
        print(f'  {output:8} {difference:.1e}')
    summary = {'file': str(exported.path), 'format': args.format, 'bytes': exported.path.stat().st_size}
    print_json({**summary, 'max_difference': exported.max_difference, **exported.metadata})
