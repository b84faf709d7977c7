"""A whole photo without rain: the network's J, in overlapping tiles of the size that it was trained on."""

import math
from typing import Protocol

import numpy as np

from rainrestore.apis.tiles import blend_tiles
from rainrestore.physics import quantise, resize
from rainrestore.physics.rain import REFERENCE_SIDE

#: Side of a tile, and how far the next one is.
TILE = REFERENCE_SIDE
STEP = 24
#: Tiles that go through the network at a time.
BATCH = 64
#: The network works on no more than this; of a larger photo it sees a smaller copy.
MAX_PIXELS = 2_000_000
#: Least T by which detail is divided.
FLOOR = 0.1


class RainRemoval(Protocol):
    """The part of a :class:`~rainrestore.apis.Restorer` that removes rain.

    Attributes:
        predicts: the maps that it predicts, by the paper's letters.
    """

    predicts: frozenset[str]

    def remove_rain(self, tiles: np.ndarray) -> dict[str, np.ndarray]:
        """N x h x w x 3 float32 in [0, 1] -> the maps that are predicted, N x h x w x c float32."""


def derain(restorer: RainRemoval, photo: np.ndarray) -> np.ndarray | None:
    """J of a whole photo, the scene without rain and veil (paper eq. 2).

    The networks know pictures of 32x32, and A as one colour for each of them: the photo is cut into such tiles, and
    their J and T are blended. (On generated scenes of 320x240 J is 1 to 3 dB nearer to the truth this way than from the
    photo as one picture, while the physics inverted with the blended S, T and A is 1 to 2 dB farther.)

    A photo of more than 2 million pixels is reduced first. The lost detail is added to the enlarged J,
    divided by T: the detail of J + S, as T and A are smooth.

    Args:
        restorer: the network.
        photo: H x W x 3, uint8 or float32 in [0, 1].

    Returns:
        H x W x 3 uint8; None if the network predicts no J.
    """
    height, width = photo.shape[:2]
    shrink = max(1.0, math.sqrt(height * width / MAX_PIXELS))
    size = max(round(height / shrink), 1), max(round(width / shrink), 1)
    if not removes_rain(restorer):
        return None
    seen = resize(photo, *size)
    lr, transmission = rain_maps(restorer, seen, 'J', 'T')
    if shrink == 1:
        return quantise(lr)
    clear = np.empty(photo.shape, np.uint8)
    # One channel after the other, for four bytes a value of a whole photo are gigabytes.
    thickness = resize(transmission, height, width).clip(min=FLOOR)
    for channel in (slice(0, 1), slice(1, 2), slice(2, 3)):
        detail = photo[..., channel] / np.float32(255 if photo.dtype == np.uint8 else 1)
        detail -= resize(seen[..., channel], height, width)
        detail /= thickness
        detail += resize(lr[..., channel], height, width)
        clear[..., channel] = quantise(detail)
    return clear


def removes_rain(restorer: RainRemoval) -> bool:
    """Whether the network predicts J and T."""
    return {'J', 'T'} <= restorer.predicts


def rain_maps(restorer: RainRemoval, picture: np.ndarray, *names: str) -> list[np.ndarray]:
    """Maps of the rain over a whole picture, by their letters (paper eq. 2), each H x W x c.

    Args:
        restorer: A network that predicts them.
        picture: H x W x 3 float32 in [0, 1].
        names: Such as ``'J'`` and ``'T'``.
    """

    def predict(tiles: np.ndarray) -> list[np.ndarray]:
        found = restorer.remove_rain(tiles)
        return [found[name] for name in names]

    return blend_tiles(predict, picture, TILE, STEP, BATCH)
