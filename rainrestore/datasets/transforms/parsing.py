"""The low-resolution target of the face parser."""

from functools import lru_cache
from typing import Any

import numpy as np

from rainrestore.datasets.transforms.base import FaceTransform
from rainrestore.labels import NUM_LABELS, PALETTE
from rainrestore.registry import TRANSFORMS


@lru_cache(maxsize=4)
def _cell_offsets(height: int, width: int, scale: int) -> np.ndarray:
    """For each pixel, ``NUM_LABELS`` times the index of its scale x scale cell."""
    rows = np.arange(height, dtype=np.intp) // scale
    columns = np.arange(width, dtype=np.intp) // scale
    offsets = (rows[:, None] * (width // scale) + columns[None, :]) * NUM_LABELS
    offsets.setflags(write=False)
    return offsets


def area_average(mask: np.ndarray, scale: int) -> np.ndarray:
    """Fraction of each label in each scale x scale cell of a label map.

    This is the area average of the one-hot map. Counting needs less memory than 19 full-size planes.

    Args:
        mask: H x W labels 0..18, H and W divisible by ``scale``.
        scale: Side of a cell in pixels.

    Returns:
        H/scale x W/scale x 19 float32 in [0, 1] that sums to 1 over the last axis.

    Raises:
        ValueError: A side is not divisible by ``scale``, or a label is above 18.
    """
    height, width = mask.shape
    if height % scale or width % scale:
        raise ValueError(f'the {width}x{height} mask is not divisible by scale {scale}; crop or resize it first')
    if mask.max() >= NUM_LABELS:
        # A larger label would be counted in the neighbouring cell.
        raise ValueError(f'the mask contains label {mask.max()}, expected 0..{NUM_LABELS - 1}')
    cells = (_cell_offsets(height, width, scale) + mask).ravel()
    shape = height // scale, width // scale, NUM_LABELS
    counts = np.bincount(cells, minlength=shape[0] * shape[1] * shape[2])
    return (counts.astype(np.float32) / np.float32(scale * scale)).reshape(shape)


@TRANSFORMS.register_module()
class ParsingTarget(FaceTransform):
    """Write ``parsing``, the low-resolution target of the face parser, from ``mask``.

    ``onehot`` is the area average of the 19 one-hot planes (at 32x32, majority pooling would lose both eyes in one face
    of ten). ``palette`` is the area average of the colours of the labels, as in Fig. 6 of the paper. A sample without
    ``mask`` is not changed. With ``fill``, it gets zeros and no annotated label (``label_valid``), so that a batch can
    contain faces with and without masks; the parsing loss ignores unannotated labels.

    Args:
        scale: Side of a cell in pixels.
        kind: ``onehot`` (h x w x 19) or ``palette`` (h x w x 3, RGB); float32 in [0, 1].
        fill: Whether a sample without ``mask`` gets an unannotated ``parsing``; ``onehot`` only.

    Raises:
        ValueError: An unknown ``kind``, a ``scale`` below 1, or ``fill`` with ``palette``.
    """

    def __init__(self, scale: int = 4, kind: str = 'onehot', fill: bool = False) -> None:
        if kind not in ('onehot', 'palette'):
            raise ValueError(f"ParsingTarget: kind must be 'onehot' or 'palette', got {kind!r}")
        if scale < 1:
            raise ValueError(f'ParsingTarget: scale must be at least 1, got {scale}')
        if fill and kind != 'onehot':
            raise ValueError('ParsingTarget: fill needs kind="onehot": a colour image has no unannotated labels')
        self.scale = scale
        self.kind = kind
        self.fill = fill
        self._colours = PALETTE.astype(np.float32) / 255

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if 'mask' not in results:
            if self.fill:
                height, width = (side // self.scale for side in results['gt'].shape[:2])
                results['parsing'] = np.zeros((height, width, NUM_LABELS), np.float32)
                results['label_valid'] = np.zeros(NUM_LABELS, bool)
            return results
        parsing = area_average(results['mask'], self.scale)
        # Averaging is linear, so the mean colour is the sum of the colours weighted by the fractions.
        results['parsing'] = parsing if self.kind == 'onehot' else parsing @ self._colours
        return results
