"""A picture of any size through a network that takes small ones: overlapping tiles, blended."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

#: N tiles (N x h x w x 3 float32 in [0, 1]) -> maps of them, N x s h x s w x c each; the scale s may differ per map.
Predict = Callable[[np.ndarray], Sequence[np.ndarray]]


def blend_tiles(predict: Predict, picture: np.ndarray, tile: int, step: int, batch: int) -> list[np.ndarray]:
    """Cut a picture into tiles, predict each, and blend the predictions, weighted towards the middle of each tile.

    Args:
        predict: The network.
        picture: H x W x 3 float32.
        tile: Side of a tile; a smaller picture is one tile.
        step: Distance from one tile to the next, at most ``tile``.
        batch: Tiles that go through the network at once.

    Returns:
        Each map, s H x s W x c float32.
    """
    height, width = picture.shape[:2]
    tall, wide = min(tile, height), min(tile, width)
    sums: list[np.ndarray] = []
    totals: dict[int, np.ndarray] = {}
    weights: dict[int, np.ndarray] = {}
    places = itertools.product(_starts(height, tall, step), _starts(width, wide, step))
    while part := list(itertools.islice(places, batch)):
        maps = predict(np.stack([picture[top : top + tall, left : left + wide] for top, left in part]))
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
    """Where tiles begin so that they cover all, the last flush with the end."""
    return [*range(0, length - tile, step), length - tile]


def _ramp(length: int) -> np.ndarray:
    steps = np.arange(length, dtype=np.float32) + 0.5
    return np.minimum(steps, length - steps)
