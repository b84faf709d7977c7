"""Apply a network to an image of any size in overlapping tiles, and blend the results."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

#: Tiles, N x h x w x 3 float32 in [0, 1] -> maps, N x s h x s w x c each; the scale s may differ per map.
Predict = Callable[[np.ndarray], Sequence[np.ndarray]]


def blend_tiles(predict: Predict, image: np.ndarray, tile: int, step: int, batch: int) -> list[np.ndarray]:
    """Cut an image into tiles, predict the maps of each tile, and blend them with weights that fall towards the edges.

    Args:
        predict: Predicts the maps of a batch of tiles.
        image: H x W x 3 float32.
        tile: Side of a tile in pixels; a smaller image is one tile.
        step: Distance between tiles in pixels, at most ``tile``.
        batch: Batch size, in tiles.

    Returns:
        The maps, s H x s W x c float32 each.
    """
    height, width = image.shape[:2]
    tall, wide = min(tile, height), min(tile, width)
    sums: list[np.ndarray] = []
    totals: dict[int, np.ndarray] = {}
    weights: dict[int, np.ndarray] = {}
    places = itertools.product(_starts(height, tall, step), _starts(width, wide, step))
    while part := list(itertools.islice(places, batch)):
        maps = predict(np.stack([image[top : top + tall, left : left + wide] for top, left in part]))
        scales = [found.shape[1] // tall for found in maps]
        if not sums:
            sums = [
                np.zeros((scale * height, scale * width, found.shape[3]), np.float32)
                for scale, found in zip(scales, maps, strict=True)
            ]
            for scale in set(scales):
                weights[scale] = (_ramp(scale * tall)[:, None] * _ramp(scale * wide))[..., None]
                totals[scale] = np.zeros((scale * height, scale * width, 1), np.float32)
        for place, (top, left) in enumerate(part):
            for scale in set(scales):
                totals[scale][_part(top, left, tall, wide, scale)] += weights[scale]
            for total, found, scale in zip(sums, maps, scales, strict=True):
                total[_part(top, left, tall, wide, scale)] += weights[scale] * found[place]
    return [total / totals[scale] for total, scale in zip(sums, scales, strict=True)]


def _part(top: int, left: int, tall: int, wide: int, scale: int) -> tuple[slice, slice]:
    return slice(scale * top, scale * (top + tall)), slice(scale * left, scale * (left + wide))


def _starts(length: int, tile: int, step: int) -> list[int]:
    """Start positions of tiles that cover ``length``; the last tile ends at ``length``."""
    return [*range(0, length - tile, step), length - tile]


def _ramp(length: int) -> np.ndarray:
    steps = np.arange(length, dtype=np.float32) + 0.5
    return np.minimum(steps, length - steps)
