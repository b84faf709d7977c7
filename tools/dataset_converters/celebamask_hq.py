"""Convert the official CelebAMask-HQ release to {train,val,test}/{img,mask}."""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from rainrestore.datasets.converters.celebamask_hq import IMAGE_FOLDER, MASK_FOLDER, convert
from rainrestore.errors import DatasetError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help=f'unpacked release, the folder of {IMAGE_FOLDER} and {MASK_FOLDER}')
    parser.add_argument('target', help='folder to write {train,val,test}/{img,mask} to')
    parser.add_argument('--size', type=int, default=128, help='side of the written images (default: 128)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the split (default: 0)')
    parser.add_argument('--on-bad-file', choices=('raise', 'skip'), default='raise', help='default: raise')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes (default: all cores)')
    options = parser.parse_args(argv)
    try:
        outcome = convert(
            options.source, options.target, options.size, options.seed, options.on_bad_file, options.workers
        )
    except (DatasetError, ValueError) as error:
        parser.exit(2, f'error: {error}\n')
    print(json.dumps(outcome))
    return 0


if __name__ == '__main__':
    sys.exit(main())
