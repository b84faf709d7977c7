"""Turn a training's checkpoint into a zoo model.

Keeps what restores a face (no optimiser, discriminators or losses) in half precision as a safetensors file, and enters
it with its sha256 in the zoo's index. It is then rainrestore://NAME. The last line is the index entry as JSON.
"""

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore publish``."""
    parser.add_argument('checkpoint', help='a .pth or .safetensors file, or rainrestore://NAME')
    parser.add_argument('name', help='name in the zoo, such as fcg_gan_x4')
    parser.add_argument('--config', required=True, help='config that builds the network')
    parser.add_argument('--licence', default='Apache-2.0', help='licence of the weights (default Apache-2.0)')
    parser.add_argument(
        '--keep', nargs='+', metavar='SLOT', help='only these of rain_removal, face_parser, generator (default all)'
    )
    parser.add_argument('--full-precision', action='store_true', help='store float32 instead of float16')
    parser.add_argument('--allow-large', action='store_true', help='accept a file over 30 MB')
    parser.add_argument(
        '--note', nargs='+', type=_note, default=[], metavar='KEY=VALUE', help='facts to store, such as faces=90000'
    )
    parser.add_argument('--zoo', type=Path, metavar='DIR', help="folder of the zoo (default: the package's own)")


def run(args: argparse.Namespace) -> int:
    """Publish and print the entry."""
    from rainrestore.zoo.publish import publish

    entry = publish(
        args.checkpoint,
        args.name,
        args.config,
        licence=args.licence,
        slots=args.keep,
        half=not args.full_precision,
        allow_large=args.allow_large,
        notes=dict(args.note),
        zoo=args.zoo,
    )
    print(json.dumps({'name': args.name, **entry}))
    return 0


def _note(text: str) -> tuple[str, str]:
    key, equals, value = text.partition('=')
    if not (key and equals):
        raise argparse.ArgumentTypeError(f'expected KEY=VALUE, got {text!r}')
    return key, value
