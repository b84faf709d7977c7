"""Turn a training checkpoint into a zoo model.

The command removes optimisers, discriminators and losses, writes the weights in half precision as a safetensors file,
checks that they fit the config, and adds them with their SHA-256 to the zoo's index, model-index.yml, as
rainrestore://NAME. An existing entry NAME is updated and its old results are removed; rainrestore zoo evaluate NAME
measures the new weights. The last line is the index entry as JSON.
"""

import argparse
from contextlib import suppress

from rainrestore.cli.options import file_path, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore publish``."""
    add = parser.add_argument
    add('checkpoint', help='a .pth or .safetensors file, or rainrestore://NAME')
    add('name', help='name in the zoo, such as fcg_gan_x4')
    add('--config', required=True, help='config that builds the network')
    licence = 'licence of the weights (default: the licence of the existing entry or of its parts, else Apache-2.0)'
    add('--licence', help=licence)
    add('--keep', dest='slots', nargs='+', metavar='SLOT', help='only these slots, such as rain_removal (default: all)')
    part = (
        'slots that the training did not change, from other models of the zoo, such as rain_removal=hrrm_x4 (default: '
        'the slots of the existing entry)'
    )
    add('--part', nargs='+', type=_pair, metavar='SLOT=NAME', help=part)
    add('--full-precision', dest='half', action='store_false', help='store float32 instead of float16')
    add('--allow-large', action='store_true', help='accept a file over 30 MB')
    note = 'facts to store, such as Faces=90000'
    add('--note', nargs='+', type=_note, default=[], metavar='KEY=VALUE', help=note)
    log = 'work dirs of all stages, in order: stores their curves, and reads seed, faces and hours'
    add('--log', dest='logs', nargs='+', type=file_path, default=[], metavar='RUN', help=log)
    zoo = "folder of your own zoo (default: RAINRESTORE_ZOO, else the package's zoo)"
    add('--zoo', type=file_path, metavar='DIR', help=zoo)


def run(args: argparse.Namespace) -> None:
    """Publish and print the entry."""
    from rainrestore.zoo.index import ZOO_VARIABLE, Zoo
    from rainrestore.zoo.publish import publish

    zoo = Zoo.own() if args.zoo is None else Zoo.at(args.zoo)
    entry = publish(
        args.checkpoint, args.name, args.config, licence=args.licence, slots=args.slots,
        parts=None if args.part is None else dict(args.part), half=args.half, allow_large=args.allow_large,
        metadata=dict(args.note), logs=args.logs, zoo=zoo,
    )  # fmt: skip
    if zoo is not None and zoo != Zoo.own():
        print(f'to use it by its name: export {ZOO_VARIABLE}={zoo.files.resolve()}')
    if 'Results' not in entry:
        page = ', and rainrestore zoo page writes model_zoo.md' if zoo is None else ''
        print(f'to measure it: rainrestore zoo evaluate {args.name}{page}')
    print_json(entry)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition('=')
    if not (key and equals and value):
        raise argparse.ArgumentTypeError(f'expected KEY=VALUE, got {text!r}')
    return key, value


def _note(text: str) -> tuple[str, int | float | str]:
    """Parse ``KEY=VALUE``; convert VALUE to a number if possible."""
    key, value = _pair(text)
    for kind in (int, float):
        with suppress(ValueError):
            return key, kind(value)
    return key, value
