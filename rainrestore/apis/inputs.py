"""Convert inputs of any type to images: H x W x 3 arrays, RGB, uint8 or floating point in [0, 1]."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from torch import Tensor

from rainrestore.apis.kinds import find_inputs, kind_of
from rainrestore.errors import DatasetError, ImageError, ImageFileError
from rainrestore.image_io import IMAGE_SUFFIXES, read_image, to_rgb

#: The types of an input image.
ImageLike: TypeAlias = str | os.PathLike[str] | np.ndarray | Tensor | Image.Image

#: Tolerance for floating-point values outside [0, 1], as after resampling; they are clipped.
ROUNDING = 1e-3


def split(source: Any) -> tuple[list[Any], bool]:
    """The items of ``source``, not read yet, and whether ``source`` is a single image.

    The items of a folder are its images, including sub-folders, sorted by path. A tensor (N, 3, h, w), a list or a
    tuple is split into its items.

    Raises:
        DatasetError: A folder without images.
    """
    if isinstance(source, (str, os.PathLike)) and os.path.isdir(source):
        found, others = find_inputs(source, videos=False)
        if not found:
            _refuse_video(next((path for path in others if kind_of(path) == 'video'), None))
            raise DatasetError(f'{source}: contains no images ({", ".join(IMAGE_SUFFIXES)})')
        return found, False
    if isinstance(source, (list, tuple)) or (isinstance(source, Tensor) and source.ndim == 4):
        return list(source), False
    return [source], True


def to_image(item: ImageLike, name: str = 'the image') -> np.ndarray:
    """Convert one image to an array.

    Args:
        item: A file; a Pillow image of any mode; or an H x W x 3 array or (3, h, w) tensor, RGB, uint8 or floating
            point in [0, 1].
        name: Name in error messages, unless ``item`` is a file.

    Returns:
        H x W x 3 uint8, or float32 in [0, 1].

    Raises:
        ImageFileError: The file or the Pillow image cannot be read.
        ImageError: An unsupported type or shape, no pixels, or values outside [0, 1].
    """
    if isinstance(item, (str, os.PathLike)):
        try:
            return read_image(item)
        except ImageFileError:
            _refuse_video(Path(item))
            raise
    if isinstance(item, Image.Image):
        return to_rgb(item, name)
    if isinstance(item, Tensor):
        if item.ndim != 3 or item.shape[0] != 3:
            raise ImageError(name, f'expected a tensor (3, h, w), got {tuple(item.shape)}')
        detached = item.detach().cpu()
        item = (detached.float() if detached.is_floating_point() else detached).permute(1, 2, 0).numpy()
    if not isinstance(item, np.ndarray):
        raise ImageError(name, f'expected a file, an array, a tensor or a Pillow image, got {type(item).__name__}')
    if item.ndim != 3 or item.shape[2] != 3 or not item.size:
        raise ImageError(name, f'expected an H x W x 3 RGB array with pixels, got shape {item.shape}')
    if item.dtype == np.uint8:
        return item
    if item.dtype.kind != 'f':
        raise ImageError(
            name, f'expected uint8 or floating point pixels, got {item.dtype}; divide by the value of white'
        )
    low, high = float(item.min()), float(item.max())
    # With `not`, NaN is an error.
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise ImageError(name, f'floating point pixels must be in [0, 1], got [{low:g}, {high:g}]')
    return np.clip(item, 0, 1, dtype=np.float32, casting='same_kind')


def check_photo(photo: np.ndarray, name: str = 'the photo') -> None:
    """Check that an array is H x W x 3 uint8.

    Raises:
        ImageError: The array has another shape or type.
    """
    if to_image(photo, name).dtype != np.uint8:
        raise ImageError(name, f'expected uint8 pixels, got {photo.dtype}; multiply by 255 and round')


def _refuse_video(path: Path | None) -> None:
    """Raise the error of a video in place of an image; other files pass.

    Raises:
        ImageFileError: The file is a video.
    """
    if path is not None and os.path.isfile(path) and kind_of(path) == 'video':
        raise ImageFileError(path, 'is a video, not an image; use rainrestore.apis.restore_video')


def named(items: Sequence[Any], single: bool = False) -> list[str]:
    """The names of images in error messages: the path of a file, else ``item`` and its index in the list.

    With ``single``, an image that is not a file is ``the image``.
    """
    return [
        str(item) if isinstance(item, (str, os.PathLike)) else 'the image' if single else f'item {place}'
        for place, item in enumerate(items)
    ]
