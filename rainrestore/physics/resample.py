"""Bicubic resampling with antialiasing, equal to Pillow's ``BICUBIC`` and torch's ``antialias=True``.

Resampling is linear, so each axis is a product with a banded matrix. The dense blocks along its diagonal are cached.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_ROWS_PER_BAND = 8
_STRIP = 512

# Weights are multiples of 2^-20. With 8-bit input both passes are exact in float64 (8 + 20 + 20 bits and two for the
# overshoot), so the result is bit-identical on every machine, whatever the order of the sums in its BLAS.
_WEIGHT_GRID = 2.0**20


def _keys(x: np.ndarray) -> np.ndarray:
    """The cubic convolution kernel of Keys (1981) with a = -0.5, zero outside [-2, 2]."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


@lru_cache(maxsize=64)
def _bands(size_in: int, size_out: int) -> list[tuple[slice, slice, np.ndarray]]:
    """The ``size_out`` x ``size_in`` resampling matrix, cut into bands of rows.

    For each band its rows, the columns outside which it is zero, and its weights in these columns.
    """
    ratio = size_in / size_out
    stretch = max(ratio, 1.0)  # antialiasing: when shrinking, the kernel covers 4 output pixels instead of 4 inputs
    centres = (np.arange(size_out) + 0.5) * ratio
    # Taps outside the image are dropped and the other weights renormalised, as in Pillow.
    first = np.maximum((centres - 2 * stretch + 0.5).astype(int), 0)
    last = np.minimum((centres + 2 * stretch + 0.5).astype(int), size_in)
    bands = []
    for start in range(0, size_out, _ROWS_PER_BAND):
        out = slice(start, min(start + _ROWS_PER_BAND, size_out))
        source = slice(int(first[out].min()), int(last[out].max()))
        block = np.zeros((out.stop - out.start, source.stop - source.start))
        for row in range(out.start, out.stop):
            weights = _keys((np.arange(first[row], last[row]) + 0.5 - centres[row]) / stretch)
            weights = np.rint(weights / weights.sum() * _WEIGHT_GRID)
            # The largest weight absorbs the rounding error of the sum, so that a constant image stays constant.
            weights[weights.argmax()] += _WEIGHT_GRID - weights.sum()
            block[row - out.start, first[row] - source.start : last[row] - source.start] = weights / _WEIGHT_GRID
        block.setflags(write=False)
        bands.append((out, source, block))
    return bands


def _resample_rows(image: np.ndarray, size_out: int) -> np.ndarray:
    """H x ... to size_out x ... in float64."""
    flat = image.reshape(image.shape[0], -1)
    result = np.empty((size_out, flat.shape[1]))
    for out, source, weights in _bands(image.shape[0], size_out):
        np.matmul(weights, flat[source], out=result[out])
    return result.reshape(size_out, *image.shape[1:])


def _resample(image: np.ndarray, height: int, width: int) -> np.ndarray:
    unit = 255.0 if image.dtype == np.uint8 else 1.0
    # In strips: a whole photo in float64 would take gigabytes.
    strips = [
        _resample_rows(image[:, start : start + _STRIP].astype(np.float64), height)
        for start in range(0, image.shape[1], _STRIP)
    ]
    tall = strips[0] if len(strips) == 1 else np.concatenate(strips, 1)
    result = np.empty((height, width, image.shape[2]), np.float32)
    for start in range(0, height, _STRIP):
        part = slice(start, start + _STRIP)
        wide = _resample_rows(np.ascontiguousarray(tall[part].swapaxes(0, 1)), width).swapaxes(0, 1)
        np.divide(wide, unit, out=result[part], dtype=np.float32, casting='same_kind')
    return np.clip(result, 0, 1, out=result)


def _check(image: np.ndarray, scale: int, caller: str) -> None:
    if image.ndim != 3:
        raise ValueError(f'{caller}: expected an H x W x C image, got shape {image.shape}')
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise TypeError(f'{caller}: expected uint8 (0..255) or floating point (0..1) pixels, got {image.dtype}')
    if int(scale) != scale or scale < 1:
        raise ValueError(f'{caller}: scale must be an integer of at least 1, got {scale}')


def shrink(image: np.ndarray, scale: int) -> np.ndarray:
    """The down_s of eq. 2: bicubic (Keys, a = -0.5) with antialiasing, equal to Pillow's ``BICUBIC`` before rounding.

    Args:
        image: H x W x C, floating point in [0, 1], or uint8 in 0..255 (divided by 255; the result is bit-identical on
            every machine).
        scale: s, an integer that divides H and W.

    Returns:
        H/s x W/s x C float32, clipped to [0, 1] (the kernel overshoots at edges).

    Raises:
        ValueError: Not three axes, or a side is not divisible by ``scale``.
        TypeError: Pixels neither uint8 nor floating point.
    """
    _check(image, scale, 'shrink')
    height, width = image.shape[:2]
    if height % scale or width % scale:
        raise ValueError(f'shrink: the {width}x{height} image is not divisible by scale {scale}; crop it first')
    return resize(image, height // scale, width // scale)


def enlarge(image: np.ndarray, scale: int) -> np.ndarray:
    """Bicubic enlargement (Keys, a = -0.5), equal to Pillow's ``BICUBIC`` before rounding.

    Args:
        image: H x W x C, floating point in [0, 1] or uint8 in 0..255.
        scale: s, an integer of at least 1.

    Returns:
        H*s x W*s x C float32, clipped to [0, 1].

    Raises:
        ValueError: Not three axes or an empty image.
        TypeError: Pixels neither uint8 nor floating point.
    """
    _check(image, scale, 'enlarge')
    return resize(image, scale * image.shape[0], scale * image.shape[1])


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bicubic resampling (Keys, a = -0.5) to any size, with antialiasing when it shrinks the image.

    Args:
        image: H x W x C, floating point in [0, 1] or uint8 in 0..255.
        height: Height of the result in pixels.
        width: Width of the result in pixels.

    Returns:
        height x width x C float32, clipped to [0, 1].

    Raises:
        ValueError: Not three axes, or a side of zero pixels.
        TypeError: Pixels neither uint8 nor floating point.
    """
    _check(image, 1, 'resize')
    if min(*image.shape[:2], height, width) < 1:
        raise ValueError(f'resize: {image.shape[1]}x{image.shape[0]} to {width}x{height}: a side has no pixels')
    return _resample(image, height, width)
