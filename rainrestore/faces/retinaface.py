"""RetinaFace as facexlib builds it, where its weights are to be had."""

from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError

import cv2
import numpy as np
import torch

from rainrestore.device import find_device
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.faces.detection import DetectedFace, faces_of_landmarks, working_copy, working_scale
from rainrestore.optional import optional_import
from rainrestore.registry import FACE_DETECTORS
from rainrestore.torch_files import read_torch_file

#: The file of the weights, and where facexlib publishes it.
FILES = {'resnet50': 'detection_Resnet50_Final.pth', 'mobile0.25': 'detection_mobilenet0.25_Final.pth'}
SOURCE = 'https://github.com/xinntao/facexlib/releases/tag/v0.1.0'

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
        _load(self.network, Path(weights).expanduser() if weights else _download(network))

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


def _download(network: str) -> Path:
    """Where facexlib keeps the weights, after fetching them the first time."""
    utils: Any = optional_import('facexlib.utils', 'RetinaFaceDetector')
    file = FILES[network]
    try:
        return Path(utils.load_file_from_url(f'{SOURCE.replace("/tag/", "/download/")}/{file}', 'facexlib/weights'))
    except (URLError, OSError) as error:
        raise CheckpointError(
            f'{file} cannot be downloaded ({error}): get it from {SOURCE} and give '
            f"detector = dict(type='RetinaFaceDetector', weights='{file}') in a config file"
        ) from error


def _load(network: torch.nn.Module, path: Path) -> None:
    """Load a file of facexlib, in which names may begin with ``module.``."""
    if not path.is_file():
        raise CheckpointError(f'{path}: no such file; the weights of RetinaFace are at {SOURCE}')
    # Opened here, since the reader takes a path to be of the newer of torch's two formats.
    with path.open('rb') as file:
        weights = read_torch_file(file, 'cpu')
    try:
        network.load_state_dict({name.removeprefix('module.'): value for name, value in weights.items()})
    except (RuntimeError, AttributeError, TypeError) as error:
        raise CheckpointError(f'{path} holds no weights of this RetinaFace ({str(error)[:200]})') from error
