"""Compare two methods on the same test faces.

The command reads the per_image.csv files of two tests and prints the mean difference FIRST - SECOND of each metric with
the confidence interval of a paired bootstrap over the faces. The last line is the same as JSON.
"""

import argparse
from dataclasses import asdict

from rainrestore.cli.options import file_path, print_json, seed_number, whole_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore compare``."""
    add = parser.add_argument
    add('first', type=file_path, help='per_image.csv of the first method')
    add('second', type=file_path, help='per_image.csv of the second method')
    add('--metrics', nargs='+', default=['PSNR', 'SSIM'], metavar='KEY', help='columns to compare')
    add('--level', type=float, default=0.95, help='confidence level of the interval (default: 0.95)')
    add('--resamples', type=whole_number, default=10_000, help='bootstrap resamples (default: 10000)')
    add('--seed', type=seed_number, default=0, help='seed of the bootstrap (default: 0)')


def run(args: argparse.Namespace) -> None:
    """Compare and print."""
    from rainrestore.errors import ConfigError
    from rainrestore.evaluation import paired_bootstrap, read_csv

    first, second = read_csv(args.first), read_csv(args.second)
    if first.keys() != second.keys():
        unmatched = sorted(first.keys() ^ second.keys())
        raise ConfigError(
            f'{args.first} and {args.second} have different faces: {", ".join(unmatched[:3])} '
            f'{"is" if len(unmatched) == 1 else "are"} in only one of them ({len(unmatched)} in total)'
        )
    summary = {}
    for key in args.metrics:
        for path, table in ((args.first, first), (args.second, second)):
            columns = next(iter(table.values()), {})
            if key not in columns:
                raise ConfigError(f'{path} has no column {key!r}; it has {", ".join(columns) or "none"}')
        try:
            ours, others = ([table[name][key] for name in first] for table in (first, second))
            result = paired_bootstrap(ours, others, level=args.level, resamples=args.resamples, seed=args.seed)
        except ValueError as error:
            raise ConfigError(f'{key}: {error}') from error
        outcome = 'significant' if result.significant else 'not significant'
        print(
            f'{key:12} {result.difference:+.4f}  [{result.low:+.4f}, {result.high:+.4f}] '
            f'at {result.level:.0%}, {result.images} faces: {outcome}'
        )
        summary[key] = asdict(result)
    print_json({'first': str(args.first), 'second': str(args.second), **summary})
