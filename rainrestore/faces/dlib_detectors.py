"""dlib's detectors (King 2009, 2015) and its five landmarks: package and weights come from the package index."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rainrestore.errors import ConfigError
from rainrestore.faces.alignment import BOX_SIDE, FaceCrop
from rainrestore.faces.detection import DetectedFace, working_scale
from rainrestore.optional import optional_import, packaged_file
from rainrestore.registry import FACE_DETECTORS

INSTALL = 'pip install dlib-bin face_recognition_models'
LANDMARKS_FILE = 'models/shape_predictor_5_face_landmarks.dat'
CNN_FILE = 'models/mmod_human_face_detector.dat'

#: Both were trained on boxes of this side, so smaller faces have to be enlarged.
TRAINED_BOX = 80
#: The mouth's distance below the eyes over that of the nose's base, mean of the bundled portraits and CelebA-HQ.
MOUTH_PER_NOSE = 1.35


@FACE_DETECTORS.register_module()
class DlibDetector:
    """Histograms of oriented gradients, the default: upright and frontal faces, no GPU, about a second a photo.

    dlib's five landmarks are the corners of the eyes and the base of the nose; the mouth, which CelebA-HQ's crop asks
    for, is taken to lie straight below the eyes, 1.35 times as far as the nose's base. That puts the corners of the
    crop off by some per cent of its side; ``tools/benchmarks/benchmark_detection.py`` prints by how many.

    Args:
        smallest_face: side in pixels of the smallest crop (about 1.7 times the face's box) to look for: the photo is
            enlarged for it.
        threshold: least score of what counts as a face; lower finds more, also of what is none.
        max_pixels: of the enlarged photo. In a photo so large that this is reached, only larger faces are found.

    Raises:
        MissingPackageError: dlib or the models are not installed.
        ConfigError: ``smallest_face`` or ``max_pixels`` below 1.
    """

    max_pixels = 24_000_000

    def __init__(self, smallest_face: int = 32, threshold: float = 0.0, max_pixels: int | None = None) -> None:
        self.smallest_face = smallest_face
        self.threshold = threshold
        self.max_pixels = max_pixels or self.max_pixels
        if smallest_face < 1 or self.max_pixels < 1:
            raise ConfigError(f'{type(self).__name__}: smallest_face and max_pixels are at least 1')
        self._dlib: Any = optional_import('dlib', 'finding faces', INSTALL)
        self._detector = self._build()
        self._landmarks = self._dlib.shape_predictor(str(_model(LANDMARKS_FILE)))

    def __call__(self, photo: np.ndarray) -> list[DetectedFace]:
        """The upright faces in an H x W x 3 uint8 RGB photo."""
        height, width = photo.shape[:2]
        scale = working_scale(width, height, self.smallest_face, TRAINED_BOX / BOX_SIDE, self.max_pixels)
        new_width, new_height = max(round(width * scale), 1), max(round(height * scale), 1)
        how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        large = np.ascontiguousarray(cv2.resize(photo, (new_width, new_height), interpolation=how))
        back = np.array([width / new_width, height / new_height])
        found = []
        for box, score in self._boxes(large):
            points = np.array([(point.x + 0.5, point.y + 0.5) for point in self._landmarks(large, box).parts()])
            if len(np.unique(points, axis=0)) == len(points):
                found.append(DetectedFace(_crop(points * back), score))
        return found

    def _build(self) -> Any:
        return self._dlib.get_frontal_face_detector()

    def _boxes(self, photo: np.ndarray) -> Iterator[tuple[Any, float]]:
        boxes, scores, _ = self._detector.run(photo, 0, self.threshold)
        yield from zip(boxes, scores, strict=True)


@FACE_DETECTORS.register_module()
class DlibCNNDetector(DlibDetector):
    """A small convolutional network under max-margin loss: also turned faces, but many times slower on a CPU.

    Args and errors as of :class:`DlibDetector`; the photo is enlarged to fewer pixels.
    """

    max_pixels = 4_000_000

    def _build(self) -> Any:
        return self._dlib.cnn_face_detection_model_v1(str(_model(CNN_FILE)))

    def _boxes(self, photo: np.ndarray) -> Iterator[tuple[Any, float]]:
        for found in self._detector(photo, 0):
            if found.confidence >= self.threshold:
                yield found.rect, found.confidence


def _model(file: str) -> Path:
    return packaged_file('face_recognition_models', file, 'finding faces', INSTALL)


def _crop(points: np.ndarray) -> FaceCrop:
    """dlib's five points: corners of the eye on the picture's right, outer and inner, of the other one, nose's base."""
    right_eye, left_eye = points[:2].mean(0), points[2:4].mean(0)
    middle = (left_eye + right_eye) / 2
    across = (right_eye - left_eye) / np.linalg.norm(right_eye - left_eye)
    down = np.array([-across[1], across[0]])
    # Only its distance below the eyes: a head turned to the side moves the nose, and the mouth less.
    mouth = middle + MOUTH_PER_NOSE * ((points[4] - middle) @ down) * down
    return FaceCrop.from_landmarks(left_eye, right_eye, mouth)
