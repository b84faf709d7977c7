"""Plot the logged curves of several runs in one image, and print a table.

RUN is a work dir (the parts of a resumed run are joined), one dated folder in a work dir, or a scalars.json. The table
has the last, the smallest and the largest value of each curve with their steps; the last line has the same as JSON.
"""

import argparse
import math
from pathlib import Path

from rainrestore.cli.options import file_path, print_json

DEFAULT_KEYS = ('loss', 'PSNR')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore analyze_logs``."""
    add = parser.add_argument
    add('runs', nargs='+', type=file_path, metavar='RUN', help='a work dir or a scalars.json')
    keys = f'keys to plot (default: {" and ".join(DEFAULT_KEYS)}, if they were logged)'
    add('--keys', nargs='+', metavar='KEY', help=keys)
    add('--legend', nargs='+', metavar='NAME', help='a name for each run (default: from its path)')
    add('--out', type=file_path, default=Path('curves.png'), metavar='FILE', help='the plot (default: curves.png)')


def run(args: argparse.Namespace) -> None:
    """Read, plot and print."""
    from rainrestore.engine.run_logs import read_run
    from rainrestore.errors import ConfigError
    from rainrestore.visualization.curves import plot_curves

    short = [path.resolve().name for path in args.runs]
    labels = args.legend or (short if len(set(short)) == len(short) else list(map(str, args.runs)))
    if len(labels) != len(args.runs):
        raise ConfigError(f'--legend: {len(labels)} names for {len(args.runs)} runs')
    if len(set(labels)) < len(labels):
        raise ConfigError(f'two runs have the same name among {", ".join(labels)}; set --legend')
    runs = [(label, read_run(path)) for label, path in zip(labels, args.runs, strict=True)]
    logged = sorted({key for _, curves in runs for key in curves})
    keys = args.keys or [key for key in DEFAULT_KEYS if key in logged]
    unknown = [key for key in keys if key not in logged]
    if unknown or not keys:
        wanted = unknown[0] if unknown else ' nor '.join(DEFAULT_KEYS)
        raise ConfigError(f'no run has logged {wanted}; choose --keys from {", ".join(logged) or "nothing"}')
    width = max(len(label) for label in labels) + 2
    print(f'{"run":{width}}{"key":20}{"points":>7}{"last":>12}{"min":>12}{"at step":>9}{"max":>12}{"at step":>9}')
    summary: dict[str, dict[str, object]] = {}
    for key in keys:
        for label, curves in runs:
            if key not in curves:
                continue
            curve = curves[key]
            # A diverged run ends with NaN, which has no order.
            finite = [step for step, value in curve.items() if not math.isnan(value)] or list(curve)
            low, high, last = min(finite, key=curve.__getitem__), max(finite, key=curve.__getitem__), max(curve)
            print(
                f'{label:{width}}{key:20}{len(curve):7}{curve[last]:12.5g}{curve[low]:12.5g}{low:9}'
                f'{curve[high]:12.5g}{high:9}'
            )
            found: dict[str, float] = {'points': len(curve)}
            for name, step in (('last', last), ('min', low), ('max', high)):
                found |= {name: curve[step], f'{name}_step': step}
            summary.setdefault(label, {})[key] = found
    print(f'plot: {plot_curves(runs, keys, args.out)}')
    print_json({'plot': str(args.out), 'runs': summary})
