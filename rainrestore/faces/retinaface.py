"""RetinaFace of the package facexlib."""

from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch

from rainrestore.device import find_device
from rainrestore.errors import ConfigError
from rainrestore.faces.detection import DetectedFace, faces_of_landmarks, working_copy, working_scale
from rainrestore.facexlib_weights import load_facexlib
from rainrestore.optional import optional_import
from rainrestore.registry import FACE_DETECTORS

#: Network -> published file of its weights, in this release of facexlib.
FILES = {'resnet50': 'detection_Resnet50_Final.pth', 'mobile0.25': 'detection_mobilenet0.25_Final.pth'}
RELEASE = 'v0.1.0'

#: Crop of a face that the smallest anchors, of 16 and 32 pixels, cover.
NEEDED = 64


@FACE_DETECTORS.register_module()
class RetinaFaceDetector:
    """RetinaFace (Deng et al. 2020) of the package facexlib: finds turned and half covered faces.

    Eyes and mouth are the network's own, so the crop is CelebA-HQ's exactly.

    Args:
        weights: ``detection_Resnet50_Final.pth`` (or the other network's); None lets facexlib download it once.
        network: ``'resnet50'`` or ``'mobile0.25'``.
        threshold: least probability of a face.
        smallest_face: side in pixels of the smallest crop to look for: the photo is enlarged for it.
        max_pixels: of the enlarged photo; a larger one is brought down to it.
        device: as of :class:`~rainrestore.apis.Restorer`.

    Raises:
        MissingPackageError: facexlib or torchvision is not installed.
        CheckpointError: no weights there, or another network's; or they cannot be downloaded.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        network: Literal['resnet50', 'mobile0.25'] = 'resnet50',
        threshold: float = 0.8,
        smallest_face: int = 32,
        max_pixels: int = 4_000_000,
        device: str | None = None,
    ) -> None:
        if network not in FILES:
            raise ConfigError(f'RetinaFaceDetector: network is one of {", ".join(FILES)}, got {network!r}')
        if smallest_face < 1 or max_pixels < 1:
            raise ConfigError('RetinaFaceDetector: smallest_face and max_pixels are at least 1')
        self.threshold = threshold
        self.smallest_face = smallest_face
        self.max_pixels = max_pixels
        facexlib: Any = optional_import('facexlib.detection', 'RetinaFaceDetector')
        self.network = facexlib.RetinaFace(network, device=find_device(device))
        file = FILES[network]
        option = f"detector = dict(type='RetinaFaceDetector', weights='{file}') in a config file"
        load_facexlib(self.network, RELEASE, file, weights, option)

    @torch.inference_mode()
    def __call__(self, photo: np.ndarray) -> list[DetectedFace]:
        """The faces in an H x W x 3 uint8 RGB photo."""
        height, width = photo.shape[:2]
        scale = working_scale(width, height, self.smallest_face, NEEDED, self.max_pixels)
        # The network has levels down to 1/32.
        large, back = working_copy(photo, scale, least_side=32)
        rows = self.network.detect_faces(cv2.cvtColor(large, cv2.COLOR_RGB2BGR), self.threshold)
        # left, top, right, bottom, score; then left eye, right eye, nose, left and right corner of the mouth
        rows = np.asarray(rows, float).reshape(-1, 15)
        return faces_of_landmarks(rows[:, 5:].reshape(-1, 5, 2) * back, rows[:, 4].tolist(), photo)
