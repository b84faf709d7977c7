"""Kinds of values that several commands take."""

import argparse


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Declare ``--launcher``."""
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='what started this process beside others: torchrun, srun or mpirun (default: none)',
    )


def whole_number(text: str) -> int:
    """A whole number of at least 1, as the type of an option."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f'expected a whole number of at least 1, got {text!r}')
    return value
