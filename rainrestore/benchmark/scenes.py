"""Photos with known faces: aligned portraits, pasted into a generated background."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from rainrestore.faces import FaceCrop
from rainrestore.physics import quantise, resize, seeded_rng

#: Left, top and side of a face in a scene, in whole pixels.
Place = tuple[int, int, int]


def background(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A background of smooth random colours, H x W x 3 uint8."""
    coarse = np.random.default_rng(seed).integers(40, 216, (max(height // 16, 2), max(width // 16, 2), 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


#: Least and greatest radius of the discs of :func:`dead_leaves`, as fractions of the side, and their number.
RADII = (0.02, 0.6)
LEAVES = 400


def dead_leaves(side: int, seed: int) -> np.ndarray:
    """An image of overlapping, shaded, textured discs, side x side x 3 uint8.

    The radii follow a power law, so that structures of all sizes occur, as in photos (Lee, Mumford & Huang 2001).
    """
    rng = seeded_rng(seed, 'leaves')
    steps = (np.arange(2 * side) + 0.5) / (2 * side)
    x, y = np.meshgrid(steps, steps)
    image = np.zeros((2 * side, 2 * side, 3), np.float32)
    least, most = RADII
    base = rng.uniform(0, 1, 3)
    for _ in range(LEAVES):
        # A density proportional to radius^-3, as in photos.
        radius = (least**-2 + rng.random() * (most**-2 - least**-2)) ** -0.5
        across, down = rng.random(2)
        squeeze, slope, tint = rng.uniform(0.4, 1), rng.uniform(-0.5, 0.5, 2), rng.uniform(0, 1)
        colour = tint * base + (1 - tint) * rng.beta(0.8, 0.8) * rng.uniform(0.6, 1, 3)
        inside = (x - across) ** 2 + ((y - down) / squeeze) ** 2 < radius**2
        shade = slope[0] * (x - across) + slope[1] * (y - down)
        grain = rng.uniform(0, 0.08) * rng.standard_normal(int(inside.sum()))
        image[inside] = colour + (shade[inside] + grain)[:, None]
    blurred = cv2.GaussianBlur(image.clip(0, 1), (0, 0), rng.uniform(0.6, 1.5))
    return quantise(resize(blurred, side, side))


def make_scene(
    height: int, width: int, faces: Sequence[tuple[np.ndarray, Place]], seed: int = 0, pose: 'Pose | None' = None
) -> np.ndarray:
    """A photo, H x W x 3 uint8, with each aligned face (uint8) resized to its side and cropped at the border."""
    photo = background(height, width, seed)
    for face, (left, top, side) in faces:
        turned, shown = (face, np.full(face.shape[:2], True)) if pose is None else posed(face, pose)
        pixels = quantise(resize(turned, side, side))
        mask = cv2.resize(shown.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST).astype(bool)
        right, bottom = min(left + side, width), min(top + side, height)
        part = np.s_[max(-top, 0) : bottom - top, max(-left, 0) : right - left]
        photo[max(top, 0) : bottom, max(left, 0) : right][mask[part]] = pixels[part][mask[part]]
    return photo


def crop_of(place: Place) -> FaceCrop:
    """The crop of a face of :func:`make_scene`."""
    left, top, side = place
    return FaceCrop(left + side / 2, top + side / 2, side)


#: Centres of the eyes (left and right in the image) and of the mouth in a crop of CelebA-HQ, as fractions of its side.
LANDMARKS = np.array([[0.375, 0.475], [0.625, 0.475], [0.5, 0.725]])
#: Radius of the cylinder that represents a head, in sides of the crop.
HEAD = 0.42


@dataclass(frozen=True)
class Pose:
    """The pose of a face: tilt clockwise, and yaw towards the right of the image, in degrees."""

    tilt: float = 0.0
    yaw: float = 0.0


def posed(face: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Render a frontal face (n x n x 3 uint8) in a pose; returns the image and the mask of the head, n x n bool.

    The head is a cylinder: a point at x = r sin(a) moves to r sin(a + yaw).
    """
    size = face.shape[0]
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x, y = np.meshgrid(steps, steps)
    tilt, yaw = np.radians([pose.tilt, pose.yaw])
    x, y = np.cos(tilt) * x + np.sin(tilt) * y, np.cos(tilt) * y - np.sin(tilt) * x
    shown = np.full(x.shape, True)
    if yaw:
        angle = np.arcsin(np.clip(x / HEAD, -1, 1)) - yaw
        shown = (np.abs(x) < HEAD) & (np.abs(angle) < np.pi / 2)
        x = HEAD * np.sin(angle)
    shown &= (np.abs(x) < 0.5) & (np.abs(y) < 0.5)
    columns, rows = (((axis + 0.5) * size - 0.5).astype(np.float32) for axis in (x, y))
    turned = cv2.remap(face, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return turned, shown


def crop_in_pose(place: Place, pose: Pose) -> FaceCrop:
    """The crop of a face of :func:`make_scene` in a pose, from its landmarks."""
    left, top, side = place
    tilt, yaw = np.radians([pose.tilt, pose.yaw])
    x, y = (LANDMARKS - 0.5).T
    x = HEAD * np.sin(np.arcsin(x / HEAD) + yaw)
    points = np.stack([np.cos(tilt) * x - np.sin(tilt) * y, np.sin(tilt) * x + np.cos(tilt) * y], 1)
    return FaceCrop.from_landmarks(*((points + 0.5) * side + (left, top)))


def corner_error(found: FaceCrop, truth: FaceCrop) -> float:
    """Root mean square distance of the corners of two crops, divided by the side of the true crop."""
    return float(np.sqrt(((found.corners() - truth.corners()) ** 2).sum(1).mean()) / truth.side)
