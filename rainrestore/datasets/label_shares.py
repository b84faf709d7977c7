"""Fraction of the pixels of each label, for the class weights of the parsing loss."""

from __future__ import annotations

import os

import numpy as np
from tqdm import tqdm

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
