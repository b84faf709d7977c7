"""MTCNN from the package facenet-pytorch, whose wheel contains the weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rainrestore.device import find_device
from rainrestore.faces.detection import DetectedFace, LandmarkDetector
from rainrestore.optional import optional_import
from rainrestore.registry import FACE_DETECTORS

INSTALL = 'pip install --no-deps facenet-pytorch'

#: Side in pixels of the smallest detected face box.
LEAST_BOX = 16
#: Bound of the box regression, as a fraction of the side of the box. The package fails for boxes outside of the photo,
#: which this bound prevents. Regressions of true faces are below 0.35, because training samples overlap faces by 0.65.
LARGEST_SHIFT = 0.25
#: Least score of a certain face. After a certain upright face, the photo is not searched in other rotations.
CERTAIN = 0.95


def _bounded(stage: nn.Module, pixels: tuple[Tensor], found: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Bound the box regression, the first output of a stage of the cascade."""
    shift, *rest = found
    return shift.clamp(-LARGEST_SHIFT, LARGEST_SHIFT), *rest


@FACE_DETECTORS.register_module()
class MTCNNDetector(LandmarkDetector):
    """Cascade of three small networks (Zhang et al. 2016), the default: five landmarks, about 0.4 s per photo on a CPU.

    It detects faces with a tilt of up to about 30 degrees, or turned to the side.

    Args:
        smallest_face: Side of the smallest detected crop in pixels; the photo is enlarged for smaller values.
        threshold: Least probability of a face, 0..1.
        max_pixels: Greatest number of pixels of the scaled photo; for larger photos only larger faces are detected.
        device: Torch device; None for a GPU if there is one. The CPU is fast enough.

    Raises:
        MissingPackageError: facenet-pytorch or torchvision is not installed.
        ConfigError: ``smallest_face`` or ``max_pixels`` below 1, or ``threshold`` outside of 0..1.
    """

    #: Side in pixels to which the smallest crop is enlarged. A box of 16 pixels is a crop of 28. At 40 the landmark
    #: error is a fifth smaller; larger values are slower without more detections
    #: (tools/benchmarks/benchmark_detection.py).
    needed = 40

    def __init__(
        self, smallest_face: int = 24, threshold: float = 0.9, max_pixels: int = 4_000_000, device: str | None = 'cpu'
    ) -> None:
        super().__init__(smallest_face, threshold, max_pixels)
        self.certain_score = max(threshold, CERTAIN)
        package: Any = optional_import('facenet_pytorch', 'finding faces', INSTALL)
        self.network = package.MTCNN(keep_all=True, min_face_size=LEAST_BOX, device=find_device(device))
        for stage in (self.network.pnet, self.network.rnet):
            stage.register_forward_hook(_bounded)

    def __call__(self, photo: np.ndarray) -> list[DetectedFace]:
        """Detect the faces in an H x W x 3 uint8 RGB photo."""
        return [] if min(photo.shape[:2]) * self.scale(photo) < LEAST_BOX else super().__call__(photo)

    @torch.inference_mode()
    def landmarks(self, photo: np.ndarray) -> tuple[np.ndarray, Sequence[float]]:
        """See :class:`~rainrestore.faces.detection.LandmarkDetector`."""
        _, scores, points = self.network.detect(photo, landmarks=True)
        if points is None:
            return np.empty((0, 5, 2)), []
        kept = [place for place, score in enumerate(scores) if score >= self.threshold]
        # The package returns pixel indices, hence + 0.5.
        return np.asarray(points, float)[kept] + 0.5, [scores[place] for place in kept]
