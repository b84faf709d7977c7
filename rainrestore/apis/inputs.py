"""From whatever a caller holds to pictures: H x W x 3 arrays, RGB, uint8 or floating point in [0, 1]."""

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from torch import Tensor

from rainrestore.apis.kinds import find_inputs
from rainrestore.errors import DatasetError, PictureError
from rainrestore.image_io import IMAGE_SUFFIXES, read_image, to_rgb

#: One picture.
Picture: TypeAlias = str | os.PathLike[str] | np.ndarray | Tensor | Image.Image

#: Tolerance for floating-point values beyond [0, 1] after resampling; they are clipped.
ROUNDING = 1e-3


def split(source: Any) -> tuple[list[Any], bool]:
    """The pictures in ``source``, none of them read yet, and whether it is a single one.

    A folder is all of its pictures, sub-folders included, sorted by path; a tensor (N, 3, h, w), a list or a tuple is
    its items.

    Raises:
        DatasetError: a folder without pictures.
    """
    if isinstance(source, (str, os.PathLike)) and os.path.isdir(source):
        found, _ = find_inputs(source, clips=False)
        if not found:
            raise DatasetError(f'{source}: no pictures in this folder ({", ".join(IMAGE_SUFFIXES)})')
        return found, False
    if isinstance(source, (list, tuple)) or (isinstance(source, Tensor) and source.ndim == 4):
        return list(source), False
    return [source], True


def to_picture(item: Picture, name: str = 'the picture') -> np.ndarray:
    """One picture as an array.

    Args:
        item: a file; a Pillow picture of any mode; H x W x 3 array or (3, h, w) tensor, RGB, uint8 or floating point in
            [0, 1].
        name: Its name in errors, unless it is a file.

    Returns:
        H x W x 3 uint8, or float32 in [0, 1].

    Raises:
        ImageFileError: the file, or the Pillow picture, cannot be read.
        PictureError: of another kind, another shape, without pixels, or with values that are not in [0, 1].
    """
    if isinstance(item, (str, os.PathLike)):
        return read_image(item)
    if isinstance(item, Image.Image):
        return to_rgb(item, name)
    if isinstance(item, Tensor):
        if item.ndim != 3 or item.shape[0] != 3:
            raise PictureError(name, f'expected a tensor (3, h, w), got {tuple(item.shape)}')
        detached = item.detach().cpu()
        item = (detached.float() if detached.is_floating_point() else detached).permute(1, 2, 0).numpy()
    if not isinstance(item, np.ndarray):
        raise PictureError(name, f'expected a file, an array, a tensor or a Pillow picture, got {type(item).__name__}')
    if item.ndim != 3 or item.shape[2] != 3 or not item.size:
        raise PictureError(name, f'expected an H x W x 3 RGB array with pixels, got shape {item.shape}')
    if item.dtype == np.uint8:
        return item
    if item.dtype.kind != 'f':
        raise PictureError(name, f'expected uint8 or floating point pixels, got {item.dtype}; divide by its white')
    low, high = float(item.min()), float(item.max())
    # Written so that NaN, which compares as false, is refused.
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise PictureError(name, f'floating point pixels are in [0, 1], these are in [{low:g}, {high:g}]')
    return np.clip(item, 0, 1, dtype=np.float32, casting='same_kind')


def named(items: Sequence[Any], single: bool = False) -> list[str]:
    """The names of the pictures in errors: the path of a file, else the position unless there is only one."""
    return [
        str(item) if isinstance(item, (str, os.PathLike)) else 'the picture' if single else f'item {place}'
        for place, item in enumerate(items)
    ]
