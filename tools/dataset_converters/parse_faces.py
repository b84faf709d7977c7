"""Predict the label maps of unlabelled faces with a face parsing network of facexlib."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rainrestore.datasets.converters.parse_faces import PARSERS, FaceLabeller, parse_faces
from rainrestore.errors import RainRestoreError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; print the number of label maps of each split as one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', type=Path, help='data set folder with {train,val,test}/img of aligned faces')
    parser.add_argument('--splits', nargs='+', default=['train', 'val', 'test'], help='default: train val test')
    parser.add_argument('--network', choices=PARSERS, default='bisenet', help='default: bisenet')
    parser.add_argument('--weights', help='weights of the network, a file of facexlib (default: download it once)')
    parser.add_argument('--overwrite', action='store_true', help='also replace existing label maps')
    parser.add_argument('--device', help='cpu, cuda, ... (default: a GPU if there is one)')
    options = parser.parse_args(argv)
    try:
        labeller = FaceLabeller(options.network, options.weights, options.device)
        written = {split: parse_faces(options.data / split, labeller, options.overwrite) for split in options.splits}
    except RainRestoreError as error:
        parser.exit(2, f'error: {error}\n')
    print(json.dumps(written))
    return 0


if __name__ == '__main__':
    sys.exit(main())
