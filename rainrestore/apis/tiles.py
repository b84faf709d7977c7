"""Apply a network to an image of any size in overlapping tiles, and blend the results."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

#: Tiles, N x h x w x 3 float32 in [0, 1] -> maps, N x s h x s w x c each, of one scale s.
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
    places = itertools.product(_starts(height, tall, step), _starts(width, wide, step))
    while part := list(itertools.islice(places, batch)):
        maps = predict(np.stack([image[top : top + tall, left : left + wide] for top, left in part]))
        if not sums:
            scale = maps[0].shape[1] // tall
            weights = (_ramp(scale * tall)[:, None] * _ramp(scale * wide))[..., None]
            total = np.zeros((scale * height, scale * width, 1), np.float32)
            sums = [np.zeros((*total.shape[:2], found.shape[3]), np.float32) for found in maps]
        for place, (top, left) in enumerate(part):
            window = np.s_[scale * top : scale * (top + tall), scale * left : scale * (left + wide)]
            total[window] += weights
            for blended, found in zip(sums, maps, strict=True):
                blended[window] += weights * found[place]
    return [blended / total for blended in sums]


def _starts(length: int, tile: int, step: int) -> list[int]:
    """Start positions of tiles that cover ``length``; the last tile ends at ``length``."""
    return [*range(0, length - tile, step), length - tile]


def _ramp(length: int) -> np.ndarray:
    steps = np.arange(length, dtype=np.float32) + 0.5
    return np.minimum(steps, length - steps)
