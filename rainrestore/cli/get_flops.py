"""Count the parameters and multiply-accumulates (MACs) of each slot of a restorer.

The MACs of one input of --shape: convolutions, linear layers, matrix products and attention, without normalisation,
activations, pooling and resizing. (Other tools print one or two FLOPs for each MAC.) The parameters of discriminators
are listed, but not added. The last line is JSON.
"""

import argparse
from dataclasses import asdict

from rainrestore.cli.options import add_shared, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore get_flops``."""
    add_shared(parser, 'config')
    shape = 'size of the input: one side, or height and width (default: 32)'
    parser.add_argument('--shape', type=int, nargs='+', default=[32], metavar='SIDE', help=shape)
    add_shared(parser, '--cfg-options')


def run(args: argparse.Namespace) -> None:
    """Count and print."""

    from rainrestore.engine.config import build_model, load_config
    from rainrestore.engine.cost import measure_cost
    from rainrestore.errors import ConfigError

    if len(args.shape) > 2 or min(args.shape) < 1:
        raise ConfigError(f'--shape: expected one or two sides of at least 1, got {" ".join(map(str, args.shape))}')
    config = load_config(args.config, args.cfg_options)
    found = measure_cost(build_model(config, args.config), args.shape[0], args.shape[-1])
    rows = [(name, cost.parameters, cost.macs) for name, cost in found.slots.items()]
    print(f'{"slot":24}{"parameters":>14}{"MACs":>16}')
    for name, parameters, macs in [*rows, (f'restoring {found.height}x{found.width}', found.parameters, found.macs)]:
        print(f'{name:24}{parameters:14,}' + ('training only' if macs is None else f'{macs:,}').rjust(16))
    print_json({'config': str(args.config), **asdict(found)})
