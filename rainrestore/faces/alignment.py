"""The square that CelebA-HQ cuts around a face: from landmarks, out of a photo, and back into it.

Coordinates in a photo are continuous, x to the right and y down, with the centre of the first pixel at (0.5, 0.5).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from rainrestore.physics import resize

#: Where dlib's detector, and most people, draw the box of a face, as fractions of the crop's side: its side, and how
#: far its centre lies below the crop's. Means over the bundled portraits and over CelebA-HQ, equal to 0.01.
BOX_SIDE = 0.586
BOX_BELOW = 0.11

#: Pixels around a crop that the bicubic kernel reads.
_MARGIN = 3


@dataclass(frozen=True)
class FaceCrop:
    """A square in a photo, turned with the face, as in the training of the networks.

    Attributes:
        x, y: its centre.
        side: in pixels of the photo.
        angle: how far it is turned, in degrees, clockwise as one sees it; 0 is upright.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.x, self.y, self.side, self.angle))) or self.side <= 0:
            raise ValueError(f'a crop has a finite centre and a side above 0, got {self}')

    @classmethod
    def from_landmarks(
        cls, left_eye: Sequence[float], right_eye: Sequence[float], mouth: Sequence[float]
    ) -> 'FaceCrop':
        """The crop of CelebA-HQ (Karras et al. 2018, appendix C), which FFHQ uses as well.

        With e the vector from eye to eye, and m that from the middle of the eyes to the middle of the mouth: the
        centre is m / 10 below the middle of the eyes; the side is the larger of ``4 |e|`` and ``3.6 |m|``; to the right
        is the direction of e minus m turned by 90 degrees.

        Args:
            left_eye: x, y of the middle of the eye on the picture's left.
            right_eye: of the other one.
            mouth: of the middle of the mouth.

        Raises:
            ValueError: the three fall on one point, or are no numbers.
        """
        first, second, below = (complex(*map(float, point)) for point in (left_eye, right_eye, mouth))
        across, middle = second - first, (first + second) / 2
        down = below - middle
        centre = middle + down / 10
        # With y down, a quarter turn clockwise is a multiplication by i.
        right = across - 1j * down
        return cls(
            centre.real, centre.imag, max(4 * abs(across), 3.6 * abs(down)),
            math.degrees(math.atan2(right.imag, right.real)),
        )  # fmt: skip

    @classmethod
    def from_box(cls, box: Sequence[float]) -> 'FaceCrop':
        """The upright crop of a face whose box is left, top, right, bottom: from above the brows to below the chin.

        Raises:
            ValueError: the box has no area.
        """
        left, top, right, bottom = map(float, box)
        if not (left < right and top < bottom):
            raise ValueError(f'a box is left, top, right, bottom with left < right and top < bottom, got {tuple(box)}')
        side = math.sqrt((right - left) * (bottom - top)) / BOX_SIDE
        return cls((left + right) / 2, (top + bottom) / 2 - BOX_BELOW * side, side)

    def corners(self) -> np.ndarray:
        """Left top, right top, right bottom, left bottom as the face has them, (4, 2)."""
        unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
        return self.to_photo(unit + 0.5)

    def to_photo(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) in fractions of the crop's side, from its left top, to coordinates in the photo."""
        turn = self._axes()
        return (np.asarray(points, float) - 0.5) @ (self.side * turn) + (self.x, self.y)

    def inside(self, width: int, height: int) -> float:
        """The part of the crop's area that lies in a photo of this size, 0..1."""
        steps = (np.arange(32) + 0.5) / 32
        points = self.to_photo(np.stack(np.meshgrid(steps, steps), -1))
        return float(((points >= 0) & (points < (width, height))).all(-1).mean())

    def pixels_to_photo(self, size: int, left: int = 0, top: int = 0) -> np.ndarray:
        """The 2 x 3 matrix from pixel indices of a ``size`` x ``size`` picture of the crop to those of the photo.

        ``left`` and ``top``: where the part of the photo begins whose indices are meant.
        """
        linear = self._axes().T * (self.side / size)
        # An index is half a pixel less than the coordinate of the pixel's centre, on both sides.
        shift = np.array([self.x - left - 0.5, self.y - top - 0.5]) - linear @ np.full(2, (size - 1) / 2)
        return np.hstack([linear, shift[:, None]])

    def bounds(self, width: int, height: int, margin: int = 0) -> tuple[int, int, int, int]:
        """Left, top, right, bottom (half open) of the photo's pixels that the crop touches; empty if there are none."""
        low, high = self.corners().min(0), self.corners().max(0)
        left, top = (max(math.floor(value) - margin, 0) for value in low)
        right, bottom = (min(math.ceil(value) + margin, end) for value, end in zip(high, (width, height), strict=True))
        return left, top, right, bottom

    def _axes(self) -> np.ndarray:
        """The crop's right and down as rows, of length 1."""
        # The quarter turns exactly, so that an upright crop on whole pixels is a copy.
        quarter = round(self.angle / 90)
        rest = math.radians(self.angle - 90 * quarter)
        right = complex(math.cos(rest), math.sin(rest)) * (1, 1j, -1, -1j)[quarter % 4]
        return np.array([[right.real, right.imag], [-right.imag, right.real]])


def cut(photo: np.ndarray, crop: FaceCrop) -> np.ndarray:
    """The crop as an upright picture of its own size in the photo's pixels, rounded; bicubic, at least one pixel.

    Outside of the photo, the photo is mirrored at its border, as in CelebA-HQ.

    Args:
        photo: H x W x 3 uint8.
        crop: at least partly inside it.

    Raises:
        ValueError: the crop lies outside.
    """
    height, width = photo.shape[:2]
    left, top, right, bottom = crop.bounds(width, height, _MARGIN)
    if not (left < right and top < bottom):
        raise ValueError(f'{crop} lies outside the photo of {width}x{height} pixels')
    size = max(round(crop.side), 1)
    # Only the part that is needed: OpenCV takes no picture with a side above 32767.
    return cv2.warpAffine(
        np.ascontiguousarray(photo[top:bottom, left:right]), crop.pixels_to_photo(size, left, top), (size, size),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip


def soft_mask(size: int) -> np.ndarray:
    """How much of the restored face is shown, size x size float32: 1 on face and hair, smoothly to 0 at the border.

    An ellipse that touches the crop's sides, full to 3/4 of its radius.
    """
    steps = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    radius = np.sqrt(steps[:, None] ** 2 + steps[None] ** 2)
    fade = np.clip((1 - radius) * 4, 0, 1)
    return fade * fade * (3 - 2 * fade)


def paste(photo: np.ndarray, face: np.ndarray, crop: FaceCrop) -> None:
    """Blend a restored face into the photo, in place, under :func:`soft_mask`; other pixels are not touched.

    The face is brought to the crop's size first (bicubic, with antialiasing where it gets smaller).

    Args:
        photo: H x W x 3 uint8.
        face: square, n x n x 3 uint8.
        crop: where it was cut.
    """
    size = max(round(crop.side), 1)
    _blend(photo, resize(face, size, size), soft_mask(size), crop, change=False)


def add_change(photo: np.ndarray, change: np.ndarray, mask: np.ndarray, crop: FaceCrop) -> None:
    """Add a change of a face to the photo, in place: ``photo + mask * change``.

    Pixels without a change keep their values, at any angle of the crop.

    Args:
        photo: H x W x 3 uint8.
        change: N x N x 3 float32, to add to :func:`cut`'s picture of the crop, in [-1, 1].
        mask: N x N float32, 0..1.
        crop: where it was cut.
    """
    _blend(photo, change, mask, crop, change=True)


def _blend(photo: np.ndarray, pixels: np.ndarray, mask: np.ndarray, crop: FaceCrop, change: bool) -> None:
    height, width = photo.shape[:2]
    left, top, right, bottom = crop.bounds(width, height)
    if not (left < right and top < bottom):
        return
    to_photo = crop.pixels_to_photo(mask.shape[0], left, top)
    place = (right - left, bottom - top)
    warped = cv2.warpAffine(pixels, to_photo, place, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(mask, to_photo, place, flags=cv2.INTER_LINEAR)[..., None]
    region = photo[top:bottom, left:right]
    difference = warped * np.float32(255) - (0 if change else region)
    np.copyto(region, np.rint(region + weight * difference).clip(0, 255).astype(np.uint8), where=weight > 0)
