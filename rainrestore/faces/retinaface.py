"""RetinaFace from the package facexlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch

from rainrestore.device import find_device
from rainrestore.errors import ConfigError
from rainrestore.faces.detection import LandmarkDetector
from rainrestore.facexlib_weights import load_facexlib
from rainrestore.optional import optional_import
from rainrestore.registry import FACE_DETECTORS

#: Network -> file name of its published weights, in this release of facexlib.
FILES = {'resnet50': 'detection_Resnet50_Final.pth', 'mobile0.25': 'detection_mobilenet0.25_Final.pth'}
RELEASE = 'v0.1.0'


@FACE_DETECTORS.register_module()
class RetinaFaceDetector(LandmarkDetector):
    """RetinaFace (Deng et al. 2020) from the package facexlib: also detects turned and partly covered faces.

    Args:
        weights: Path of ``detection_Resnet50_Final.pth`` (or of the other network's file); None lets facexlib download
            the weights once.
        network: ``'resnet50'`` or ``'mobile0.25'``.
        threshold: Least probability of a face, 0..1.
        smallest_face: Side of the smallest detected crop in pixels; the photo is enlarged for smaller values.
        max_pixels: Greatest number of pixels of the scaled photo.
        device: Torch device, as in :class:`~rainrestore.apis.Restorer`.

    Raises:
        MissingPackageError: facexlib or torchvision is not installed.
        CheckpointError: The weights are missing, belong to another network, or cannot be downloaded.
        ConfigError: An unknown network, ``smallest_face`` or ``max_pixels`` below 1, or ``threshold`` outside of 0..1.
    """

    #: Side of the smallest crop for the smallest anchors of 16 and 32 pixels, and stride of the coarsest level.
    needed = 64
    least_side = 32

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
            raise ConfigError(f'RetinaFaceDetector: network must be one of {", ".join(FILES)}, got {network!r}')
        super().__init__(smallest_face, threshold, max_pixels)
        facexlib: Any = optional_import('facexlib.detection', 'RetinaFaceDetector')
        self.network = facexlib.RetinaFace(network, device=find_device(device))
        file = FILES[network]
        option = f"detector = dict(type='RetinaFaceDetector', weights='{file}') in a config file"
        load_facexlib(self.network, RELEASE, file, weights, option)

    @torch.inference_mode()
    def landmarks(self, photo: np.ndarray) -> tuple[np.ndarray, Sequence[float]]:
        """See :class:`~rainrestore.faces.detection.LandmarkDetector`."""
        rows = self.network.detect_faces(cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), self.threshold)
        # A row: left, top, right, bottom, score; the landmarks.
        rows = np.asarray(rows, float).reshape(-1, 15)
        return rows[:, 5:].reshape(-1, 5, 2), rows[:, 4].tolist()
