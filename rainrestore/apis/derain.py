"""A whole photo without rain, seen by the network in overlapping tiles of the size that it was trained on."""

import math
from typing import Protocol

import cv2
import numpy as np

from rainrestore.apis.tiles import blend_tiles
from rainrestore.faces.fusion import CLEAR, FLOOR, ramp
from rainrestore.physics import quantise, resize

#: How far the next tile is, in sides of a tile.
STEP = 0.75
#: Tiles that go through the network at a time.
BATCH = 64
#: The network works on no more than this; of a larger photo it sees a smaller copy.
MAX_PIXELS = 2_000_000
#: Part of the veil that is removed (He, Sun & Tang 2009): without any haze, distance is not seen.
REMOVED = 0.95
#: The darkest pixel is looked for in a copy of this longer side, over windows of this part of it.
COPY = 128
WINDOW = 0.4
#: Mean S of a scene at which streaks begin to be told from texture, and at which they surely are there.
STREAKS = (0.05, 0.09)
#: Mean T at which a veil surely is there, and at which it is none: by the dark pixels, and by the network.
DARK_CLEAR = (0.9, 0.935)
SEEN_CLEAR = (0.96, 0.99)


class RainRemoval(Protocol):
    """The part of a :class:`~rainrestore.apis.Restorer` that removes rain.

    Attributes:
        predicts: the maps that it predicts, by the paper's letters.
        size: side of the pictures that it was trained on.
        known_transmission: the largest T that it was trained on.
        estimates_rain: whether S, T and A were supervised in its training.
    """

    predicts: frozenset[str]
    size: int
    known_transmission: float
    estimates_rain: bool

    def remove_rain(self, tiles: np.ndarray) -> dict[str, np.ndarray]:
        """N x h x w x 3 float32 in [0, 1] -> the maps that are predicted, N x h x w x c float32."""


def derain(restorer: RainRemoval, photo: np.ndarray) -> np.ndarray | None:
    """J of a whole photo, the scene without rain and veil (paper eq. 2).

    Networks know pictures of one size, and A as one colour for each of them: the photo is cut into such tiles, and
    their maps are blended. Of a network for faces J is taken as it is. (On generated scenes of 320x240 it is 1 to 3 dB
    nearer to the truth this way than from the photo as one picture, while the physics inverted with the blended S, T
    and A is 1 to 2 dB farther.) Of a network that was trained on clear air as well see :func:`_scene`.

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
    if restorer.estimates_rain and restorer.known_transmission >= CLEAR:
        lr, transmission = _scene(restorer, seen)
    else:
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

    return blend_tiles(predict, picture, restorer.size, round(STEP * restorer.size), BATCH)


def _scene(restorer: RainRemoval, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """J and T of a scene, which is left as it is where there is neither a veil nor streaks.

    A tile does not tell a bright wall from haze, the whole scene does: some pixel nearby is dark in one channel, and
    the veil is no brighter than it (dark channel prior, He, Sun & Tang 2009): ``T = 1 - 0.95 D / A``, with D the least
    of the channels of I - T S over a wide window. S and A are the network's, A one grey for the scene, weighed by the
    veil. Then eq. 2 is solved for J.
    """
    streaks, local, airlights = rain_maps(restorer, seen, 'S', 'T', 'A')
    veil = np.square(1 - local)
    airlight = max(float((veil * airlights).mean() / veil.mean()), FLOOR)
    streaks *= np.float32(ramp(float(streaks.mean()), *STREAKS))
    transmission = 1 - np.float32(REMOVED / airlight) * _darkest((seen - local * streaks).clip(min=0))
    # Both have to see a veil: the network, and the dark pixels.
    clear_air = max(ramp(float(transmission.mean()), *DARK_CLEAR), ramp(float(local.mean()), *SEEN_CLEAR))
    transmission = (1 - np.float32(1 - clear_air) * (1 - transmission)).clip(FLOOR, 1)
    clear = (seen - (1 - transmission) * np.float32(airlight)) / transmission - streaks
    return clear.clip(0, 1), transmission


def _darkest(seen: np.ndarray) -> np.ndarray:
    """The least channel of a picture over wide windows, smooth, H x W x 1."""
    height, width = seen.shape[:2]
    ratio = min(COPY / max(height, width), 1)
    size = max(round(width * ratio), 1), max(round(height * ratio), 1)
    copy = cv2.resize(seen.min(-1), size, interpolation=cv2.INTER_AREA)
    window = round(WINDOW * max(size)) | 1
    least = cv2.erode(copy, np.ones((window, window), np.uint8), borderType=cv2.BORDER_REFLECT)
    return cv2.resize(cv2.GaussianBlur(least, (0, 0), window / 3), (width, height))[..., None]
