"""Print the average boxes of eyes, nose and lips in the masks of a split, for the local discriminators.

The last line is JSON for a config: half-open boxes x0, y0, x1, y1.
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
from rainrestore.errors import DatasetError, ImageFileError
from rainrestore.image_io import list_images, read_mask

Box = tuple[int, int, int, int]

#: Labels of each part, in groups. A mask counts only if it shows a label of every group: a box around one eye would
#: shift the average of the boxes around both.
COMPONENTS: dict[str, tuple[tuple[int, ...], ...]] = {
    'eyes': ((4, 6), (5, 7)),
    'nose': ((2,),),
    'lips': ((10, 11, 12),),
}


def tight_box(mask: np.ndarray, groups: Sequence[Sequence[int]]) -> Box | None:
    """The smallest half-open box x0, y0, x1, y1 around all labels of ``groups``; None if a group is absent."""
    if not all(np.isin(mask, group).any() for group in groups):
        return None
    rows, columns = np.nonzero(np.isin(mask, [label for group in groups for label in group]))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def _widen(low: float, high: float, least: int, side: int) -> tuple[int, int]:
    """Round an interval to whole pixels, pad it on both sides to ``least``, and move it inside 0..``side``."""
    start, stop = int(np.floor(low + 0.5)), int(np.floor(high + 0.5))
    length = max(stop - start, least)
    start -= (length - (stop - start)) // 2
    start = max(0, min(start, side - length))
    return start, min(start + length, side)


def fit_box(box: Sequence[float], height: int, width: int, min_height: int = 32, min_width: int = 40) -> Box:
    """Round a half-open box, pad it on all sides to a least size, and move it inside the image.

    Four stride-2 layers of the local discriminator shrink a crop by 16, so a smaller crop leaves too few features.

    Raises:
        ValueError: The image is smaller than the least size.
    """
    if min_height > height or min_width > width:
        raise ValueError(f'a box of at least {min_width}x{min_height} does not fit a {width}x{height} image')
    x0, x1 = _widen(box[0], box[2], min_width, width)
    y0, y1 = _widen(box[1], box[3], min_height, height)
    return x0, y0, x1, y1


def component_boxes(
    folder: str | os.PathLike[str], min_height: int = 32, min_width: int = 40, progress: bool = False
) -> dict[str, Box]:
    """Average the tight boxes of each part over a folder of masks, then pad and clamp them.

    Args:
        folder: Label maps, all of one size.
        min_height, min_width: Least size of a box in pixels.
        progress: Show a bar.

    Returns:
        ``eyes`` (both, with brows), ``nose`` and ``lips``, each half-open ``x0, y0, x1, y1``.

    Raises:
        DatasetError: The folder is missing or contains no mask, or no mask shows a part.
        ImageFileError: A mask cannot be read, or differs in size from the masks before it.
    """
    paths = list_images(folder)
    if not paths:
        raise DatasetError(f'{folder}: contains no mask')
    found: dict[str, list[Box]] = {name: [] for name in COMPONENTS}
    shape: tuple[int, ...] | None = None
    for path in tqdm(paths, unit='mask', desc='boxes', disable=not progress):
        mask = read_mask(path)
        shape = shape or mask.shape
        if mask.shape != shape:
            raise ImageFileError(
                path, f'is {mask.shape[1]}x{mask.shape[0]}, the masks before it are {shape[1]}x{shape[0]}; resize it'
            )
        for name, groups in COMPONENTS.items():
            box = tight_box(mask, groups)
            if box is not None:
                found[name].append(box)
    assert shape is not None
    boxes: dict[str, Box] = {}
    for name, tight in found.items():
        if not tight:
            raise DatasetError(f'{folder}: no mask shows {name}; the boxes need masks with eyes, nose and lips')
        mean = np.mean(np.array(tight, dtype=np.float64), axis=0)
        boxes[name] = fit_box(mean.tolist(), shape[0], shape[1], min_height, min_width)
    return boxes


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', nargs='?', help='data set folder (default: $RAINRESTORE_DATA or the bundled faces)')
    parser.add_argument('--split', default='train', help='default: train')
    parser.add_argument('--min-height', type=int, default=32, help='in pixels (default: 32)')
    parser.add_argument('--min-width', type=int, default=40, help='in pixels (default: 40)')
    options = parser.parse_args(argv)
    folder = Path(resolve_data_root(options.data), options.split, 'mask')
    try:
        boxes = component_boxes(folder, options.min_height, options.min_width, progress=True)
    except (DatasetError, ValueError) as error:
        parser.exit(2, f'error: {error}\n')
    print(json.dumps(boxes))
    return 0


if __name__ == '__main__':
    sys.exit(main())
