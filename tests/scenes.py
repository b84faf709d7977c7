"""Photos with known faces: bundled portraits pasted into a generated background."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from rainrestore.benchmark.scenes import Place, make_scene
from rainrestore.faces import DetectedFace, FaceCrop

PORTRAITS = Path(__file__).parents[1] / 'data' / 'portraits128' / 'val' / 'img'


def portrait(number: int) -> np.ndarray:
    return np.asarray(Image.open(PORTRAITS / f'val_{number:04d}.jpg').convert('RGB'))


def scene(height: int, width: int, faces: Sequence[Place], first: int = 0) -> np.ndarray:
    """A photo with a portrait at each left, top, side."""
    return make_scene(height, width, [(portrait(first + number), place) for number, place in enumerate(faces)])


class MarkerDetector:
    """Finds upright faces drawn by :func:`draw_marker`; a substitute for a detector that needs no package."""

    smallest_face = 16

    def __init__(self) -> None:
        self.calls = 0

    def __repr__(self) -> str:
        return 'MarkerDetector'

    def __call__(self, photo: np.ndarray) -> list[DetectedFace]:
        self.calls += 1
        points = []
        for colour in MARKER_COLOURS:
            near = (np.abs(photo.astype(int) - colour) < 40).all(-1)
            labels = cv2.connectedComponentsWithStats(near.astype(np.uint8))[2:]
            points.append([centre + 0.5 for stats, centre in zip(*labels, strict=True)][1:])
        found = []
        for left, right, mouth in zip(*points, strict=False):
            crop = FaceCrop.from_landmarks(left, right, mouth)
            if abs((crop.angle + 180) % 360 - 180) < 20:
                found.append(DetectedFace(crop, 0.5))
        return found


MARKER_COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
#: Eyes and mouth in fractions of the side of a crop; CelebA-HQ's formula computes the crop from them.
MARKER_POINTS = ((0.375, 0.475), (0.625, 0.475), (0.5, 0.725))


def draw_marker(photo: np.ndarray, crop: FaceCrop) -> None:
    """A grey disc with a dot of one colour for each eye and the mouth."""
    height, width = photo.shape[:2]
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)

    def disc(point: Sequence[float], radius: float, colour: Sequence[int]) -> None:
        centre = crop.to_photo(np.array(point))
        photo[np.hypot(x - centre[0], y - centre[1]) <= radius] = colour

    disc((0.5, 0.5), 0.4 * crop.side, (150, 150, 150))
    for point, colour in zip(MARKER_POINTS, MARKER_COLOURS, strict=True):
        disc(point, 0.06 * crop.side, colour)
