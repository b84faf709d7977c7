"""The interface of face detectors, and the detection in rotated photos."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from rainrestore.arguments import checked
from rainrestore.config_files import find_file, read_config
from rainrestore.errors import ConfigError
from rainrestore.faces.alignment import FaceCrop
from rainrestore.registry import FACE_DETECTORS, check_component

#: Rotations in degrees for a photo without certain upright faces: detectors find only approximately upright faces.
TURNS = (90, -90, 45, -45, 180)

#: Greatest area of a photo rotated by an oblique angle, divided by its own area, to limit the memory for long strips.
LARGEST_CANVAS = 4
#: Longest side that OpenCV can rotate.
LONGEST_SIDE = 32767


@dataclass(frozen=True)
class DetectedFace:
    """A face in a photo.

    Attributes:
        crop: The aligned crop of CelebA-HQ.
        score: Score of the detector, in its own unit, larger for a more certain face; 1 for a face from a box.
        held: Whether a tracked face was not found in this frame of a video, and keeps its last position.
    """

    crop: FaceCrop
    score: float = 1.0
    held: bool = False


class FaceDetector(Protocol):
    """The interface of the components in ``FACE_DETECTORS``.

    A detector finds eyes and mouth and returns ``DetectedFace(FaceCrop.from_landmarks(left_eye, right_eye, mouth),
    score)``, in coordinates with the centre of the first pixel at (0.5, 0.5).

    Attributes:
        smallest_face: Side of the smallest detected crop in pixels of the photo, for messages.
        certain_score: Score of a certain face. If there is no certain upright face, the photo is rotated; in a rotated
            photo, only certain faces count. Optional: without it, all faces are certain.
    """

    smallest_face: int
    certain_score: float

    def __call__(self, photo: np.ndarray) -> list[DetectedFace]:
        """Detect the upright faces in an H x W x 3 uint8 RGB photo; in any order."""


class LandmarkDetector(ABC):
    """The common part of the detectors of this package: a scaled copy of the photo is searched for landmarks.

    Args:
        smallest_face: Side of the smallest detected crop in pixels; the photo is enlarged for smaller values.
        threshold: Least score of a face, 0..1.
        max_pixels: Greatest number of pixels of the scaled photo; for larger photos only larger faces are detected.

    Raises:
        ArgumentError: An argument of another type.
        ConfigError: ``smallest_face`` or ``max_pixels`` below 1, or ``threshold`` outside of 0..1.
    """

    #: Side in pixels to which the smallest crop is scaled, and least side of the scaled copy.
    needed: int
    least_side = 1

    @checked
    def __init__(self, smallest_face: int, threshold: float, max_pixels: int) -> None:
        name = type(self).__name__
        if smallest_face < 1 or max_pixels < 1:
            raise ConfigError(f'{name}: smallest_face and max_pixels must be at least 1')
        if not 0 <= threshold <= 1:
            raise ConfigError(f'{name}: threshold must be in 0..1, got {threshold}')
        self.smallest_face, self.threshold, self.max_pixels = smallest_face, threshold, max_pixels

    def __call__(self, photo: np.ndarray) -> list[DetectedFace]:
        """Detect the faces in an H x W x 3 uint8 RGB photo, without degenerate ones and those far outside of it."""
        height, width = photo.shape[:2]
        scale = self.scale(photo)
        size = max(round(width * scale), self.least_side), max(round(height * scale), self.least_side)
        how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        points, scores = self.landmarks(cv2.resize(photo, size, interpolation=how))
        found = []
        back = np.array([width / size[0], height / size[1]])
        for (left_eye, right_eye, _, *mouth), score in zip(points * back, scores, strict=True):
            if np.isfinite([left_eye, right_eye, *mouth]).all() and (left_eye != right_eye).any():
                crop = FaceCrop.from_landmarks(left_eye, right_eye, np.mean(mouth, 0))
                if math.hypot(crop.x - width / 2, crop.y - height / 2) < width + height:
                    found.append(DetectedFace(crop, float(score)))
        return found

    @abstractmethod
    def landmarks(self, photo: np.ndarray) -> tuple[np.ndarray, Sequence[float]]:
        """The landmarks of the n faces in the copy, (n, 5, 2), and their scores.

        A face has five landmarks: left eye, right eye, nose, left and right corner of the mouth.
        """

    def scale(self, photo: np.ndarray) -> float:
        """The factor that scales an H x W x 3 photo for the search: the smallest crop gets ``needed`` pixels.

        It is bounded so that the copy has at most ``max_pixels`` pixels; then only larger faces are found.
        """
        height, width = photo.shape[:2]
        return min(self.needed / self.smallest_face, math.sqrt(self.max_pixels / (width * height)))

    def smallest_in(self, photo: np.ndarray) -> int:
        """Side of the smallest crop that is detected in a photo: more than ``smallest_face`` in a large photo."""
        return round(self.needed / self.scale(photo))


def build_detector(detector: str | Path | Mapping[str, Any]) -> FaceDetector:
    """Build a detector from its registered name, its config, or a config file with ``detector = dict(type=...)``.

    Raises:
        ConfigError: No such name, no such file, a file without ``detector``, or an unknown option.
        MissingPackageError: The detector needs a package that is not installed.
    """
    config: Any = {'type': detector} if isinstance(detector, str) else detector
    if isinstance(detector, Path) or (isinstance(detector, str) and detector.endswith('.py')):
        config = read_config(find_file(detector)).get('detector')
    name = config.get('type') if isinstance(config, Mapping) else None
    if name is None:
        raise ConfigError(f"{detector}: the config must have detector = dict(type='...')")
    if isinstance(name, str) and FACE_DETECTORS.get(name) is None:
        known = ', '.join(sorted(FACE_DETECTORS.module_dict))
        raise ConfigError(f'{name!r} is not a registered face detector; use one of {known}, or a config file')
    check_component(config, FACE_DETECTORS, 'detector')
    return FACE_DETECTORS.build(dict(config))


@checked
def find_faces(
    detector: FaceDetector, photos: Sequence[np.ndarray], turns: Sequence[float] = TURNS
) -> list[DetectedFace]:
    """Detect the faces in a photo; the largest first.

    ``photos`` are versions of the same photo, such as without and with rain. Upright faces are searched version by
    version until one has a certain face (:class:`FaceDetector`). If none has, each version is searched at all ``turns``
    until one has a certain face. If a face is found several times, the detection with the best score is kept, because
    detectors sometimes find upside-down faces.

    Args:
        detector: Detects upright faces.
        photos: H x W x 3 uint8 RGB, of equal sizes.
        turns: Counter-clockwise rotations of the photo in degrees.
    """
    certain = getattr(detector, 'certain_score', -math.inf)
    found: list[DetectedFace] = []
    for photo in photos:
        new = detector(photo)
        # In one search, the detector itself has removed duplicates; its faces may overlap.
        found = _best_of_each([*found, *new]) if found else new
        if any(face.score >= certain for face in new):
            return _largest_first(found)
    for photo in photos:
        new = [face for turn in turns for face in _find_turned(detector, photo, turn) if face.score >= certain]
        if new:
            return _largest_first(_best_of_each([*found, *new]))
    return _largest_first(found)


def _largest_first(faces: Sequence[DetectedFace]) -> list[DetectedFace]:
    return sorted(faces, key=lambda face: -face.crop.side)


def _best_of_each(found: Sequence[DetectedFace]) -> list[DetectedFace]:
    """For faces with centres within half a side of each other, keep the face with the best score."""
    kept: list[DetectedFace] = []
    for face in sorted(found, key=lambda face: -face.score):
        if all(face.crop.distance(other.crop) > max(face.crop.side, other.crop.side) / 2 for other in kept):
            kept.append(face)
    return kept


def _find_turned(detector: FaceDetector, photo: np.ndarray, turn: float) -> list[DetectedFace]:
    if not turn:
        return detector(photo)
    height, width = photo.shape[:2]
    forth = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, 1)
    sides = np.abs(forth[:, :2]) @ (width, height)
    new_width, new_height = (math.ceil(round(side, 6)) for side in sides)
    forth[:, 2] += (new_width - width) / 2, (new_height - height) / 2
    if turn % 90 == 0:
        turned = np.ascontiguousarray(np.rot90(photo, int(turn // 90)))
    elif new_width * new_height > LARGEST_CANVAS * width * height or max(height, width) > LONGEST_SIDE:
        return []
    else:
        grey = (128, 128, 128)
        turned = cv2.warpAffine(photo, forth, (new_width, new_height), flags=cv2.INTER_LINEAR, borderValue=grey)
    back = cv2.invertAffineTransform(forth)
    found = []
    for face in detector(turned):
        x, y = (back @ (face.crop.x - 0.5, face.crop.y - 0.5, 1) + 0.5).tolist()
        if 0 <= x < width and 0 <= y < height:
            found.append(DetectedFace(FaceCrop(x, y, face.crop.side, face.crop.angle + turn), face.score))
    return found
