"""Photos with known faces: aligned portraits pasted into a generated background."""

from collections.abc import Sequence

import cv2
import numpy as np

from rainrestore.faces import FaceCrop
from rainrestore.physics import quantise, resize

#: Left, top and side of a face in a scene, in whole pixels.
Place = tuple[int, int, int]


def background(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours, H x W x 3 uint8."""
    coarse = np.random.default_rng(seed).integers(40, 216, (max(height // 16, 2), max(width // 16, 2), 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def make_scene(height: int, width: int, faces: Sequence[tuple[np.ndarray, Place]], seed: int = 0) -> np.ndarray:
    """A photo, H x W x 3 uint8, with each aligned face (uint8) brought to its side, cut off at the border."""
    photo = background(height, width, seed)
    for face, (left, top, side) in faces:
        pixels = quantise(resize(face, side, side))
        right, bottom = min(left + side, width), min(top + side, height)
        inside = pixels[max(-top, 0) : bottom - top, max(-left, 0) : right - left]
        photo[max(top, 0) : bottom, max(left, 0) : right] = inside
    return photo


def crop_of(place: Place) -> FaceCrop:
    """The crop of a face of :func:`make_scene`."""
    left, top, side = place
    return FaceCrop(left + side / 2, top + side / 2, side)


def corner_error(found: FaceCrop, truth: FaceCrop) -> float:
    """Root mean square distance of the corners of two crops over the side of the true one."""
    return float(np.sqrt(((found.corners() - truth.corners()) ** 2).sum(1).mean()) / truth.side)
