"""Convert the Raindrop set of Qian et al. (CVPR 2018) to aligned pairs of crops, in the same layout.

The set contains ``{train,test_a,test_b}/{data,gt}``: ``data/N_rain.*`` is a photo through a wet pane, ``gt/N_clean.*``
through a dry pane. In some pairs the camera or the pane moved by a few pixels between the two photos. Without alignment
a pixel loss would penalise this shift. Crops also load many times faster than whole photos.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from rainrestore.datasets.paired_dataset import PairedDataset
from rainrestore.errors import DatasetError, ImageFileError
from rainrestore.image_io import empty_folder, write_png

SPLITS = ('train', 'test_a', 'test_b')
GIVEN_SUFFIX, TRUTH_SUFFIX = '_rain', '_clean'


def shift_between(image: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    """Shift of an image to the right of and below its ground truth, in whole pixels.

    The candidates are the peak of the phase correlation (Kuglin & Hines 1975) of the two luminances under a Hann
    window, its eight neighbours, and no shift. The candidate with the least mean square root of the absolute difference
    is chosen. The square root makes this robust to drops, which change a small part of the image strongly.

    Args:
        image: H x W x 3 uint8 RGB.
        truth: The ground truth, of the same size.
    """
    grey_truth, grey_image = (cv2.cvtColor(array, cv2.COLOR_RGB2GRAY).astype(np.float32) for array in (truth, image))
    window = cv2.createHanningWindow(grey_truth.shape[::-1], cv2.CV_32F)
    peak, _ = cv2.phaseCorrelate(grey_truth, grey_image, window)
    right, down = round(peak[0]), round(peak[1])
    near = [(right + x, down + y) for x in (-1, 0, 1) for y in (-1, 0, 1)]

    def difference(shift: tuple[int, int]) -> float:
        return float(np.sqrt(np.abs(np.subtract(*overlap(grey_image, grey_truth, shift)))).mean())

    return min([(0, 0), (right, down), *near], key=difference)


def overlap(image: np.ndarray, truth: np.ndarray, shift: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The common part of both images, aligned by the shift."""
    right, down = shift
    height, width = truth.shape[:2]
    rows, columns = height - abs(down), width - abs(right)
    top, left = max(down, 0), max(right, 0)
    return (
        image[top : top + rows, left : left + columns],
        truth[top - down : top - down + rows, left - right : left - right + columns],
    )


def corners(length: int, size: int) -> list[int]:
    """Start positions of the fewest evenly spaced crops of ``size`` that cover ``length``."""
    count = math.ceil(length / size)
    return [round(index * (length - size) / max(count - 1, 1)) for index in range(count)]


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    size: int = 256,
    max_shift: int = 8,
    on_bad_pair: str = 'raise',
    progress: bool = True,
) -> dict[str, Any]:
    """Align the pairs and cut them into crops.

    Args:
        source: Folder with at least one of ``train``, ``test_a`` and ``test_b``.
        target: Folder to write ``SPLIT/data/N_ROW_COLUMN_rain.png`` and ``SPLIT/gt/N_ROW_COLUMN_clean.png`` to.
        size: Side of the crops in pixels.
        max_shift: Largest shift of a valid pair, in pixels per axis.
        on_bad_pair: ``raise`` stops at an invalid pair, ``skip`` leaves it out and reports it.
        progress: Show a progress bar.

    Returns:
        Number of pairs of crops under the name of each split; ``shifted``, the number of pairs with a shift; and
        ``skipped``, a dict of path to reason.

    Raises:
        DatasetError: No split, a file without counterpart, or a ``target`` that already contains images.
        ImageFileError: A damaged file, a shift above ``max_shift``, or a photo smaller than a crop, unless skipped.
        ValueError: An invalid ``on_bad_pair``, ``size`` or ``max_shift``.
    """
    if on_bad_pair not in ('raise', 'skip'):
        raise ValueError(f"on_bad_pair must be 'raise' or 'skip', got {on_bad_pair!r}")
    if size < 1 or max_shift < 0:
        raise ValueError(f'size must be at least 1 and max_shift at least 0, got {size} and {max_shift}')
    source, target = Path(source), Path(target)
    splits = [split for split in SPLITS if (source / split).is_dir()]
    if not splits:
        raise DatasetError(f'{source}: contains none of {", ".join(SPLITS)}; unpack the Raindrop set there')
    sets = {
        split: PairedDataset(source, split, given_suffix=GIVEN_SUFFIX, truth_suffix=TRUTH_SUFFIX) for split in splits
    }
    for split in splits:
        for kind in ('data', 'gt'):
            empty_folder(target / split / kind)
    written, shifted, skipped = dict.fromkeys(splits, 0), 0, {}
    for split, pairs in sets.items():
        for index in tqdm(range(len(pairs)), unit='pair', desc=split, disable=not progress):
            try:
                info = pairs.get_data_info(index)
                image, truth, moved = _aligned(info, size, max_shift)
            except ImageFileError as error:
                if on_bad_pair == 'raise':
                    raise
                skipped[error.name] = error.reason
                continue
            shifted += moved
            for row, top in enumerate(corners(truth.shape[0], size)):
                for column, left in enumerate(corners(truth.shape[1], size)):
                    for pixels, kind, suffix in ((image, 'data', GIVEN_SUFFIX), (truth, 'gt', TRUTH_SUFFIX)):
                        path = target / split / kind / f'{info["name"]}_{row}_{column}{suffix}.png'
                        write_png(path, pixels[top : top + size, left : left + size])
                    written[split] += 1
    return dict(written, shifted=shifted, skipped=skipped)


def _aligned(info: dict[str, Any], size: int, max_shift: int) -> tuple[np.ndarray, np.ndarray, bool]:
    shift = shift_between(info['img'], info['gt'])
    if max(map(abs, shift)) > max_shift:
        raise ImageFileError(
            Path(info['img_path']),
            f'is shifted by {shift[0]} pixels to the right of and {shift[1]} below {Path(info["gt_path"]).name}; '
            f'remove both, or raise max_shift ({max_shift})',
        )
    image, truth = overlap(info['img'], info['gt'], shift)
    if min(truth.shape[:2]) < size:
        raise ImageFileError(
            Path(info['img_path']),
            f'overlaps its ground truth in {truth.shape[1]}x{truth.shape[0]} pixels; choose crops below {size}',
        )
    return image, truth, any(shift)


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
