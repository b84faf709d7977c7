"""Convert the official CelebAMask-HQ release to ``{train,val,test}/{img,mask}``, with the sizes of the paper's splits.

The release (github.com/switchablenorms/CelebAMask-HQ; research and education only, no commercial use) contains
``CelebA-HQ-img/N.jpg``, 1024x1024, N = 0..29999, and ``CelebAMask-HQ-mask-anno/K/NNNNN_PART.png``, 512x512,
K = N // 2000: one image per visible part, 255 inside the part. Images are split at random, not by person, because the
release does not state identities.
"""

import argparse
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from rainrestore.datasets.transforms.parsing import area_average
from rainrestore.errors import DatasetError, ImageFileError
from rainrestore.image_io import empty_folder, read_image, write_png
from rainrestore.labels import NUM_LABELS

IMAGE_FOLDER = 'CelebA-HQ-img'
MASK_FOLDER = 'CelebAMask-HQ-mask-anno'
FACES_PER_MASK_FOLDER = 2000

#: Names of the parts in the file names of the release; the index is the label (0 is the background, without file).
#: Later parts overwrite earlier parts, as in the tool of the release.
PARTS: tuple[str, ...] = (
    '', 'skin', 'nose', 'eye_g', 'l_eye', 'r_eye', 'l_brow', 'r_brow', 'l_ear', 'r_ear',
    'mouth', 'u_lip', 'l_lip', 'hair', 'hat', 'ear_r', 'neck_l', 'neck', 'cloth',
)  # fmt: skip

#: Faces per split in Son & Jeong 2022.
PAPER_SPLIT: dict[str, int] = dict(train=18_000, val=1_800, test=100)


def split_counts(faces: int) -> dict[str, int]:
    """Number of faces in each split: the numbers of the paper, or their proportions if there are fewer than 19,900.

    Every split gets at least one face. Faces beyond 19,900 are not used.

    Raises:
        DatasetError: Fewer than three faces.
    """
    if faces < len(PAPER_SPLIT):
        raise DatasetError(f'{faces} faces cannot be split into train, val and test; at least 3 are needed')
    total = sum(PAPER_SPLIT.values())
    if faces >= total:
        return dict(PAPER_SPLIT)
    test = max(1, round(faces * PAPER_SPLIT['test'] / total))
    val = max(1, round(faces * PAPER_SPLIT['val'] / total))
    return dict(train=faces - val - test, val=val, test=test)


def split_faces(numbers: Sequence[int], seed: int = 0) -> dict[str, list[int]]:
    """Draw the splits.

    The faces are ordered by the SHA-256 of ``'seed:number'``. The split therefore depends neither on the order of a
    directory listing nor on the version of a random generator, and the order of the other faces stays if some are
    missing.

    Args:
        numbers: Numbers of the faces, without duplicates.
        seed: Seed of the draw.

    Returns:
        Sorted numbers under ``train``, ``val`` and ``test``, disjoint.
    """
    counts = split_counts(len(numbers))
    order = sorted(numbers, key=lambda number: hashlib.sha256(f'{seed}:{number}'.encode()).digest())
    splits: dict[str, list[int]] = {}
    start = 0
    # The small splits come first, so that fewer faces change their split if some are missing.
    for name in ('test', 'val', 'train'):
        splits[name] = sorted(order[start : start + counts[name]])
        start += counts[name]
    return splits


def find_faces(source: Path) -> list[int]:
    """Numbers of the faces in the release.

    Raises:
        DatasetError: One of its two folders is missing, or there are no images.
    """
    for folder in (source / IMAGE_FOLDER, source / MASK_FOLDER):
        if not folder.is_dir():
            raise DatasetError(
                f'{folder}: no such folder; SOURCE must be the unpacked CelebAMask-HQ release, with the folders '
                f'{IMAGE_FOLDER} and {MASK_FOLDER}'
            )
    numbers = sorted(int(path.stem) for path in (source / IMAGE_FOLDER).glob('*.jpg') if path.stem.isdecimal())
    if not numbers:
        raise DatasetError(f'{source / IMAGE_FOLDER}: contains no N.jpg; unpack the release again')
    return numbers


def merge_parts(source: Path, number: int) -> np.ndarray:
    """Merge the part masks of a face into one label map of the same size.

    Returns:
        H x W uint8, labels 0..18.

    Raises:
        ImageFileError: No part has a file, a part is unreadable, or parts differ in size.
    """
    folder = source / MASK_FOLDER / str(number // FACES_PER_MASK_FOLDER)
    merged: np.ndarray | None = None
    for label, part in enumerate(PARTS):
        path = folder / f'{number:05d}_{part}.png'
        if not part or not path.is_file():
            continue
        # Some part masks of the release are RGB, some grey. All channels are equal.
        inside = read_image(path)[:, :, 0] > 127
        if merged is None:
            merged = np.zeros(inside.shape, dtype=np.uint8)
        elif merged.shape != inside.shape:
            raise ImageFileError(path, f'is {inside.shape[1]}x{inside.shape[0]}, other parts of the face are '
                                       f'{merged.shape[1]}x{merged.shape[0]}; unpack the release again')  # fmt: skip
        merged[inside] = label
    if merged is None:
        raise ImageFileError(folder / f'{number:05d}_skin.png', 'the face has no mask file; unpack the release again')
    return merged


def shrink_labels(mask: np.ndarray, size: int) -> np.ndarray:
    """Shrink a label map to the most frequent label of each cell; of equally frequent labels, the lowest.

    Raises:
        ValueError: The map is not square, or its side is not a multiple of ``size``.
    """
    height, width = mask.shape
    if height != width or height % size:
        raise ValueError(f'a {width}x{height} mask cannot be divided into {size}x{size} square cells of whole pixels')
    return area_average(mask, height // size).argmax(axis=2).astype(np.uint8)


def convert_face(number: int, *, source: Path, target: Path, size: int) -> None:
    """Convert one face; ``target`` is the folder of its split.

    The image is shrunk with Pillow's antialiased bicubic and written as ``NNNNN.png``.

    Raises:
        ImageFileError: A file is damaged, or its side is not a multiple of ``size``.
    """
    image_path = source / IMAGE_FOLDER / f'{number}.jpg'
    image = read_image(image_path)
    if image.shape[0] != image.shape[1]:
        height, width = image.shape[:2]
        raise ImageFileError(image_path, f'is {width}x{height}, expected a square; unpack the release again')
    labels = merge_parts(source, number)
    try:
        small = shrink_labels(labels, size)
    except ValueError as error:
        mask_path = source / MASK_FOLDER / str(number // FACES_PER_MASK_FOLDER) / f'{number:05d}_*.png'
        raise ImageFileError(mask_path, f'{error}; choose a size that divides the side') from error
    name = f'{number:05d}.png'
    shrunk = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    write_png(target / 'img' / name, np.asarray(shrunk))
    write_png(target / 'mask' / name, small)


def _convert_or_report(
    task: tuple[str, int], *, source: Path, target: Path, size: int, skip: bool
) -> ImageFileError | None:
    split, number = task
    try:
        convert_face(number, source=source, target=target / split, size=size)
    except ImageFileError as error:
        if not skip:
            raise
        return error
    return None


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    size: int = 128,
    seed: int = 0,
    on_bad_file: str = 'raise',
    workers: int = 1,
    progress: bool = True,
) -> dict[str, int | dict[str, str]]:
    """Convert the release.

    Args:
        source: Folder of the release, with ``CelebA-HQ-img`` and ``CelebAMask-HQ-mask-anno``.
        target: Folder to write ``{train,val,test}/{img,mask}/NNNNN.png`` and ``labels.json`` to.
        size: Side of the written images and masks in pixels.
        seed: Seed of the split.
        on_bad_file: ``raise`` stops at a bad file, ``skip`` leaves the face out and reports it.
        workers: Number of processes.
        progress: Show a progress bar.

    Returns:
        Number of faces written under ``train``, ``val``, ``test``; ``skipped``, a dict of path to reason.

    Raises:
        DatasetError: The release is incomplete, or ``target`` already contains faces.
        ImageFileError: A bad file, unless skipped.
        ValueError: An invalid ``on_bad_file``, ``size`` or ``workers``.
    """
    if on_bad_file not in ('raise', 'skip'):
        raise ValueError(f"on_bad_file must be 'raise' or 'skip', got {on_bad_file!r}")
    if size < 1 or workers < 1:
        raise ValueError(f'size and workers must be at least 1, got {size} and {workers}')
    source, target = Path(source), Path(target)
    splits = split_faces(find_faces(source), seed)
    for split in splits:
        for kind in ('img', 'mask'):
            empty_folder(target / split / kind, ', or faces of two splits would mix')
    tasks = [(split, number) for split in ('train', 'val', 'test') for number in splits[split]]
    job = partial(_convert_or_report, source=source, target=target, size=size, skip=on_bad_file == 'skip')
    written: Counter[str] = Counter(train=0, val=0, test=0)
    skipped: dict[str, str] = {}

    def collect(outcomes: Iterable[ImageFileError | None]) -> None:
        bar = tqdm(outcomes, total=len(tasks), unit='face', desc='CelebAMask-HQ', disable=not progress)
        for (split, _), error in zip(tasks, bar, strict=True):
            if error is None:
                written[split] += 1
            else:
                skipped[error.name] = error.reason

    if workers == 1:
        collect(map(job, tasks))
    else:
        with ProcessPoolExecutor(workers) as pool:
            try:
                collect(pool.map(job, tasks, chunksize=8))
            except BaseException:
                # Otherwise the pool would first convert all remaining faces.
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    (target / 'labels.json').write_text(json.dumps(dict(labels=list(range(NUM_LABELS)))) + '\n', encoding='utf-8')
    return dict(written, skipped=skipped)


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
