"""YuNet with OpenCV, with weights from a file."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

import cv2
import numpy as np
from torch.hub import download_url_to_file

from rainrestore.errors import CheckpointError
from rainrestore.faces.detection import LandmarkDetector
from rainrestore.files import sha256_of
from rainrestore.registry import FACE_DETECTORS

#: The file of the weights (MIT), its address at OpenCV, and its hash.
FILE = 'face_detection_yunet_2023mar.onnx'
SOURCE = f'https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/{FILE}'
SHA256 = '8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4'
VARIABLE = 'RAINRESTORE_YUNET'


@FACE_DETECTORS.register_module()
class YuNetDetector(LandmarkDetector):
    """YuNet (Wu et al. 2023) with ``cv2.FaceDetectorYN``: five landmarks, the fastest detector on a CPU.

    Args:
        weights: Path of ``face_detection_yunet_2023mar.onnx``; None: the path in ``$RAINRESTORE_YUNET``.
        download: Whether to download the published file to this path if it is missing.
        sha256: SHA-256 of the file; set it for your own weights.
        threshold: Least score of a face, 0..1.
        smallest_face: Side of the smallest detected crop in pixels; the photo is enlarged for smaller values.
        max_pixels: Greatest number of pixels of the scaled photo; for larger photos only larger faces are detected.

    Raises:
        CheckpointError: The file is missing, has another hash, or cannot be downloaded or read.
        ConfigError: ``smallest_face`` or ``max_pixels`` below 1, or ``threshold`` outside of 0..1.
    """

    #: Side of the crop for a face of 10 pixels, the smallest face in the training of YuNet.
    needed = 20

    def __init__(
        self,
        weights: str | Path | None = None,
        download: bool = False,
        sha256: str = SHA256,
        threshold: float = 0.8,
        smallest_face: int = 24,
        max_pixels: int = 4_000_000,
    ) -> None:
        super().__init__(smallest_face, threshold, max_pixels)
        path = _weights(weights or os.environ.get(VARIABLE), download, sha256)
        try:
            self._network = cv2.FaceDetectorYN.create(str(path), '', (320, 320), threshold)
        except cv2.error as error:
            raise CheckpointError(f'{path}: OpenCV cannot read it as YuNet ({error.err})') from error

    def landmarks(self, photo: np.ndarray) -> tuple[np.ndarray, Sequence[float]]:
        """See :class:`~rainrestore.faces.detection.LandmarkDetector`."""
        self._network.setInputSize((photo.shape[1], photo.shape[0]))
        rows = self._network.detect(cv2.cvtColor(photo, cv2.COLOR_RGB2BGR))[1]
        if rows is None:
            return np.empty((0, 5, 2)), []
        # A row: left, top, width, height; the landmarks; score.
        return rows[:, 4:14].reshape(-1, 5, 2), rows[:, 14].tolist()


def _weights(place: str | Path | None, download: bool, sha256: str) -> Path:
    """The path of the weights, after a check of the SHA-256."""
    how = f'get it from {SOURCE}, and give its path as weights=PATH in a config file or in the variable {VARIABLE}'
    if place is None:
        raise CheckpointError(f'YuNetDetector needs {FILE}: {how}')
    path = Path(place).expanduser()
    if not path.is_file() and not download:
        raise CheckpointError(f'{path}: no such file; {how}; with download=True the detector downloads it to this path')
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download_url_to_file(SOURCE, str(path), hash_prefix=sha256, progress=False)
        except (URLError, OSError, RuntimeError) as error:
            raise CheckpointError(f'{FILE} cannot be downloaded to {path} ({error}): {how}') from error
    found = sha256_of(path)
    if found != sha256:
        raise CheckpointError(
            f'{path} is not the published {FILE} (sha256 {found[:16]}..., expected {sha256[:16]}...); '
            'set sha256= for your own weights'
        )
    return path
