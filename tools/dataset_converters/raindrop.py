"""Align the pairs of the Raindrop set and cut them into crops."""

import argparse
import json
import sys
from collections.abc import Sequence

from rainrestore.datasets.converters.raindrop import SPLITS, convert
from rainrestore.errors import DatasetError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help=f'the unpacked set, the folder of {", ".join(SPLITS)}')
    parser.add_argument('target', help='folder to write the crops to')
    parser.add_argument('--size', type=int, default=256, help='side of the crops (default: 256)')
    parser.add_argument(
        '--max-shift', type=int, default=8, help='maximum shift in pixels between the images of a pair (default: 8)'
    )
    parser.add_argument('--on-bad-pair', choices=('raise', 'skip'), default='raise', help='default: raise')
    options = parser.parse_args(argv)
    try:
        outcome = convert(options.source, options.target, options.size, options.max_shift, options.on_bad_pair)
    except (DatasetError, ValueError) as error:
        parser.exit(2, f'error: {error}\n')
    print(json.dumps(outcome))
    return 0


if __name__ == '__main__':
    sys.exit(main())
