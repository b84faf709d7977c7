"""The landmark error: the distance between the facial landmarks of the restored and of the true face."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rainrestore.evaluation.identity import INSTALL, PACKAGE, Window, checked_window, cut_window
from rainrestore.evaluation.metrics import FeatureMetric
from rainrestore.optional import optional_import, packaged_file
from rainrestore.registry import METRICS, MODELS

MODEL_FILE = 'shape_predictor_68_face_landmarks.dat'
#: Errors are in pixels of an image with this side, as in HiFaceGAN's table.
SIDE = 512


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
        path = packaged_file(PACKAGE, f'models/{MODEL_FILE}', 'DlibLandmarks', INSTALL)
        dlib: Any = optional_import('dlib', 'DlibLandmarks', INSTALL)
        self._box = dlib.rectangle(*(round(SIDE * edge) for edge in edges))
        self._predictor = dlib.shape_predictor(str(path))

    def __call__(self, faces: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] -> (N, 68, 2), fractions of the sides."""
        large = (np.ascontiguousarray(face) for face in cut_window(faces, (0, 0, 1, 1), SIDE))
        points = [[(point.x, point.y) for point in self._predictor(face, self._box).parts()] for face in large]
        # The centre of the first pixel is half a pixel from the edge.
        return (torch.tensor(points, dtype=torch.float64) + 0.5) / SIDE
