"""Print the mean share of each label in the label maps of a data set, for ParsingCrossEntropyLoss(label_shares=...)."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rainrestore.datasets.face_dataset import resolve_data_root
from rainrestore.datasets.label_shares import label_shares
from rainrestore.errors import DatasetError


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON list of 19 numbers on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', nargs='?', help='data set folder (default: $RAINRESTORE_DATA or the bundled faces)')
    parser.add_argument('--split', default='train', help='default: train')
    options = parser.parse_args(argv)
    try:
        shares = label_shares(Path(resolve_data_root(options.data), options.split, 'mask'), progress=True)
    except DatasetError as error:
        parser.exit(2, f'error: {error}\n')
    print(json.dumps([round(share, 6) for share in shares]))
    return 0


if __name__ == '__main__':
    sys.exit(main())
