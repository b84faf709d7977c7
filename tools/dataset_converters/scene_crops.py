"""Crop photos of scenes for the training of rain removal, and add generated images.

Each photo is resized to several sizes, so that a crop shows a large part of the scene or a detail; random crops are cut
from each size. Generated images are dead leaves: overlapping discs whose radii follow a power law, so that edges of all
sizes occur as in photos. The script is deterministic.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from rainrestore.benchmark.scenes import dead_leaves
from rainrestore.errors import DatasetError, RainRestoreError
from rainrestore.image_io import encode_png, find_images, read_image
from rainrestore.physics import quantise, resize, seeded_rng

#: Shorter side of a photo / side of a crop.
SIZES = (1.0, 1.5, 2.25, 3.4, 5.0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photos', help='folder of photos, with its sub-folders')
    parser.add_argument('target', type=Path, help='folder to write the crops to, such as DATA/train/img')
    parser.add_argument('--side', type=int, default=128, help='side of a crop in pixels (default: 128)')
    parser.add_argument('--crops', type=int, default=12, help='crops of a photo at each size (default: 12)')
    parser.add_argument('--generated', type=int, default=0, help='number of additional generated images (default: 0)')
    options = parser.parse_args(argv)
    try:
        written = 0
        options.target.mkdir(parents=True, exist_ok=True)
        for path in find_images(options.photos):
            for place, crop in enumerate(crops(read_image(path), options.side, options.crops, path.stem)):
                (options.target / f'{path.stem}_{place:03d}.png').write_bytes(encode_png(crop))
                written += 1
        if not written:
            raise DatasetError(
                f'{options.photos}: no photo has a side of {options.side} pixels; choose a smaller --side'
            )
        for number in range(options.generated):
            image = encode_png(dead_leaves(options.side, number))
            (options.target / f'leaves_{number:05d}.png').write_bytes(image)
    except RainRestoreError as error:
        parser.exit(2, f'error: {error}\n')
    print(json.dumps({'crops': written, 'generated': options.generated}))
    return 0


def crops(photo: np.ndarray, side: int, number: int, name: str) -> Iterator[np.ndarray]:
    """Random square crops of an H x W x 3 uint8 photo, ``number`` for each size that does not enlarge it."""
    rng = seeded_rng(0, name)
    for size in SIZES:
        ratio = size * side / min(photo.shape[:2])
        if ratio > 1:
            return
        height, width = (max(round(length * ratio), side) for length in photo.shape[:2])
        shrunk = quantise(resize(photo, height, width))
        for _ in range(number):
            top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
            yield shrunk[top : top + side, left : left + side]


if __name__ == '__main__':
    sys.exit(main())
