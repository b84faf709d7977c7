"""The aligned square crop of CelebA-HQ: computed from landmarks, cut from a photo, blended into the photo.

Coordinates in a photo are continuous, x to the right and y down, with the centre of the first pixel at (0.5, 0.5).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from rainrestore.arguments import checked
from rainrestore.errors import OptionError
from rainrestore.physics import resize

#: The box of a face as drawn by dlib's detector, as fractions of the side of the crop: its side, and the offset of its
#: centre below the centre of the crop. Means over the bundled portraits and over CelebA-HQ agree to 0.01.
BOX_SIDE = 0.586
BOX_BELOW = 0.11

#: Margin around a crop in pixels for the bicubic kernel.
_MARGIN = 3


@checked
@dataclass(frozen=True)
class FaceCrop:
    """A square in a photo, rotated with the face.

    Attributes:
        x, y: Centre.
        side: Side in pixels of the photo.
        angle: Rotation in degrees, clockwise in the displayed photo; 0 is upright.

    Raises:
        ArgumentError: A value is no finite number.
        OptionError: The side is not positive.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    def __post_init__(self) -> None:
        if self.side <= 0:
            raise OptionError(f'a crop must have a side above 0, got {self}')

    @classmethod
    @checked
    def from_landmarks(
        cls, left_eye: Sequence[float], right_eye: Sequence[float], mouth: Sequence[float]
    ) -> 'FaceCrop':
        """The crop of CelebA-HQ (Karras et al. 2018, appendix C), also used by FFHQ.

        Let e be the vector from the left to the right eye, and m the vector from the midpoint of the eyes to the mouth.
        The centre is the midpoint of the eyes + m / 10. The side is max(``4 |e|``, ``3.6 |m|``). The x axis of the crop
        has the direction of e minus m rotated by 90 degrees.

        Args:
            left_eye: x, y of the centre of the eye on the left of the image.
            right_eye: x, y of the centre of the other eye.
            mouth: x, y of the centre of the mouth.

        Raises:
            OptionError: The three points coincide, a point has no two coordinates, or a coordinate is not finite.
        """
        for name, point in (('left_eye', left_eye), ('right_eye', right_eye), ('mouth', mouth)):
            if len(point) != 2:
                raise OptionError(f'{name} must be x, y, got {tuple(point)}')
        first, second, below = (complex(*map(float, point)) for point in (left_eye, right_eye, mouth))
        across, middle = second - first, (first + second) / 2
        down = below - middle
        centre = middle + down / 10
        # With y down, multiplication by i is a clockwise rotation by 90 degrees.
        right = across - 1j * down
        return cls(
            centre.real, centre.imag, max(4 * abs(across), 3.6 * abs(down)),
            math.degrees(math.atan2(right.imag, right.real)),
        )  # fmt: skip

    @classmethod
    @checked
    def from_box(cls, box: Sequence[float]) -> 'FaceCrop':
        """The upright crop for a face box left, top, right, bottom, from above the brows to below the chin.

        Raises:
            OptionError: There are no four values, or the box has no area.
        """
        left, top, right, bottom = map(float, box if len(box) == 4 else 4 * (math.nan,))
        if not (left < right and top < bottom):
            raise OptionError(
                f'a box must be left, top, right, bottom with left < right and top < bottom, got {tuple(box)}'
            )
        side = math.sqrt((right - left) * (bottom - top)) / BOX_SIDE
        return cls((left + right) / 2, (top + bottom) / 2 - BOX_BELOW * side, side)

    def scaled(self, factor: float) -> 'FaceCrop':
        """The crop in a copy of the photo that is scaled by a factor."""
        return replace(self, x=self.x * factor, y=self.y * factor, side=self.side * factor)

    def distance(self, other: 'FaceCrop') -> float:
        """The distance of the centres in pixels."""
        return math.hypot(other.x - self.x, other.y - self.y)

    def corners(self) -> np.ndarray:
        """The left top, right top, right bottom and left bottom of the cropped image, in the photo, (4, 2)."""
        unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
        return self.to_photo(unit + 0.5)

    def to_photo(self, points: np.ndarray) -> np.ndarray:
        """Map points (..., 2), in fractions of the side from the left top of the crop, to coordinates in the photo."""
        turn = self._axes()
        return (np.asarray(points, float) - 0.5) @ (self.side * turn) + (self.x, self.y)

    def inside(self, width: int, height: int) -> float:
        """The fraction of the crop's area inside a photo of this size, 0..1."""
        steps = (np.arange(32) + 0.5) / 32
        points = self.to_photo(np.stack(np.meshgrid(steps, steps), -1))
        return float(((points >= 0) & (points < (width, height))).all(-1).mean())

    def pixels_to_photo(self, size: int, left: int = 0, top: int = 0) -> np.ndarray:
        """The 2 x 3 matrix from pixel indices of the cropped image to pixel indices of the photo.

        Args:
            size: Side of the cropped image in pixels.
            left, top: First column and row of the photo to which the indices refer.
        """
        linear = self._axes().T * (self.side / size)
        # The coordinate of the centre of a pixel is its index + 0.5.
        shift = np.array([self.x - left - 0.5, self.y - top - 0.5]) - linear @ np.full(2, (size - 1) / 2)
        return np.hstack([linear, shift[:, None]])

    def bounds(self, width: int, height: int, margin: int = 0) -> tuple[int, int, int, int]:
        """The pixels of the photo under the crop: left, top, right, bottom, half open; empty if there are none."""
        low, high = self.corners().min(0), self.corners().max(0)
        left, top = (max(math.floor(value) - margin, 0) for value in low)
        right, bottom = (min(math.ceil(value) + margin, end) for value, end in zip(high, (width, height), strict=True))
        return left, top, right, bottom

    def _axes(self) -> np.ndarray:
        """The unit vectors of the crop's x and y axes, as rows."""
        # Exact for multiples of 90 degrees, so that an upright crop on whole pixels is a copy.
        quarter = round(self.angle / 90)
        rest = math.radians(self.angle - 90 * quarter)
        right = complex(math.cos(rest), math.sin(rest)) * (1, 1j, -1, -1j)[quarter % 4]
        return np.array([[right.real, right.imag], [-right.imag, right.real]])


def cut(photo: np.ndarray, crop: FaceCrop) -> np.ndarray:
    """Cut an upright image of a crop from a photo (bicubic), with its side rounded to whole pixels, at least one.

    Outside of the photo, the photo is mirrored at its border, as in CelebA-HQ.

    Args:
        photo: H x W x 3, uint8 or float32.
        crop: A crop, at least partly inside the photo.

    Raises:
        OptionError: The crop is outside of the photo.
    """
    height, width = photo.shape[:2]
    left, top, right, bottom = crop.bounds(width, height, _MARGIN)
    if not (left < right and top < bottom):
        raise OptionError(f'{crop} is outside of the photo of {width}x{height} pixels')
    size = max(round(crop.side), 1)
    # Only the necessary part of the photo, because OpenCV does not support sides above 32767.
    return cv2.warpAffine(
        np.ascontiguousarray(photo[top:bottom, left:right]), crop.pixels_to_photo(size, left, top), (size, size),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip


def soft_mask(size: int) -> np.ndarray:
    """The weight of the restored face, size x size float32: 1 on face and hair, falling smoothly to 0 at the border.

    A circle that touches the sides of the crop; 1 up to 3/4 of its radius.
    """
    steps = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    radius = np.sqrt(steps[:, None] ** 2 + steps[None] ** 2)
    fade = np.clip((1 - radius) * 4, 0, 1)
    return fade * fade * (3 - 2 * fade)


def paste(photo: np.ndarray, face: np.ndarray, crop: FaceCrop) -> None:
    """Blend a restored face into the photo, in place, with the weights of :func:`soft_mask`.

    The face is first resized to the size of the crop (bicubic, with antialiasing when it is shrunk).

    Args:
        photo: H x W x 3 uint8; changed in place.
        face: n x n x 3 uint8.
        crop: Position of the face.
    """
    size = max(round(crop.side), 1)
    _blend(photo, resize(face, size, size), soft_mask(size), crop, change=False)


def add_change(photo: np.ndarray, change: np.ndarray, mask: np.ndarray, crop: FaceCrop) -> None:
    """Add a change of a face to the photo, in place: ``photo + mask * change``.

    Pixels without a change keep their values, at any angle of the crop.

    Args:
        photo: H x W x 3 uint8; changed in place.
        change: N x N x 3 float32 in [-1, 1], the change of the result of :func:`cut`.
        mask: N x N float32, 0..1.
        crop: Position of the face.
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
