"""Print the fraction of the pixels of each label in the masks of a split.

The last line is a JSON list of 19 numbers, for ``ParsingCrossEntropyLoss(label_shares=...)``.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from rainrestore.datasets.face_dataset import resolve_data_root
from rainrestore.errors import DatasetError
from rainrestore.image_io import list_images, read_mask
from rainrestore.labels import NUM_LABELS


def label_shares(folder: str | os.PathLike[str], progress: bool = False) -> list[float]:
    """Fraction f_c of the pixels of each label, over all pixels of all masks of a folder.

    Args:
        folder: Label maps of any size.
        progress: Whether to show a progress bar.

    Returns:
        19 fractions that sum to 1.

    Raises:
        DatasetError: The folder is missing or contains no mask.
    """
    paths = list_images(folder)
    if not paths:
        raise DatasetError(f'{folder}: contains no mask')
    counts = np.zeros(NUM_LABELS, dtype=np.int64)
    for path in tqdm(paths, unit='mask', desc='shares', disable=not progress):
        counts += np.bincount(read_mask(path).ravel(), minlength=NUM_LABELS)
    return (counts / counts.sum()).tolist()


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
