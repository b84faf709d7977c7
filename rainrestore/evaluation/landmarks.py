"""Whether eyes, nose, mouth and chin of the restored face are where they are in the true one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rainrestore.errors import ConfigError
from rainrestore.evaluation.identity import INSTALL, PACKAGE, cut_window
from rainrestore.evaluation.metrics import SeenMetric
from rainrestore.optional import optional_import, packaged_file
from rainrestore.registry import METRICS, MODELS

MODEL_FILE = 'shape_predictor_68_face_landmarks.dat'
#: The side of the pictures in HiFaceGAN's table; errors are in its pixels.
SIDE = 512


@METRICS.register_module()
class LLE(SeenMetric):
    """Landmark localisation error: mean distance between the landmarks of the restored and of the true face.

    ``mean over l of |p_l(H^) - p_l(H)|``, in pixels of a face of 512 whatever the size of the pictures, so that it
    compares with HiFaceGAN's table (Yang et al. 2020). 0 is the same picture.

    Args:
        locator: Config of the landmark detector. It takes N x 3 x H x W RGB in [0, 1], gives N x L x 2, the x and y
            of each landmark as fractions of the sides.
        **options: As for :class:`PairMetric`.

    Keys: ``LLE``, with ``_<pred_key>`` for another picture than the restored face.

    Raises:
        MissingPackageError: The locator's package is missing (at building).
        ConfigError: It does not give the same number of points for each face.
    """

    name = 'LLE'
    default = 'DlibLandmarks'
    shape = ('L', 2)

    def __init__(self, locator: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(locator, **options)

    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """LLE an image."""
        return SIDE * torch.linalg.vector_norm(self.see(pred) - self.see(gt), dim=2).mean(1)


@MODELS.register_module()
class DlibLandmarks:
    """dlib's 68 landmarks: an ensemble of regression trees (Kazemi & Sullivan 2014) that starts from a box of the face.

    No face is searched: pictures of this project are aligned, so the trees start from the same box in each, the average
    of those that dlib finds in the bundled portraits and in CelebA-HQ. A detector fails on the worst restorations, and
    leaves exactly those out of the average, as HiFaceGAN's code does. A test holds the points of bundled portraits to
    those that start from the box that dlib finds.

    dlib gives whole pixels, so faces are brought to 512x512 first (bicubic, rounded to 8 bits).

    Args:
        box: x0, y0, x1, y1 as fractions of the picture's sides.

    Raises:
        MissingPackageError: dlib or the package of the model is missing.
        ConfigError: An impossible box.
    """

    def __init__(self, box: tuple[float, float, float, float] = (0.207, 0.317, 0.793, 0.903)) -> None:
        x0, y0, x1, y1 = box
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise ConfigError(f'DlibLandmarks: box is 0 <= x0 < x1 <= 1 and so for y, got {tuple(box)}')
        # Looked up without importing it: its __init__ needs pkg_resources, which current setuptools no longer has.
        path = packaged_file(PACKAGE, f'models/{MODEL_FILE}', 'DlibLandmarks', INSTALL)
        dlib: Any = optional_import('dlib', 'DlibLandmarks', INSTALL)
        self._box = dlib.rectangle(*(round(SIDE * edge) for edge in (x0, y0, x1, y1)))
        self._predictor = dlib.shape_predictor(str(path))

    def __call__(self, faces: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] -> (N, 68, 2), fractions of the sides."""
        large = (np.ascontiguousarray(face) for face in cut_window(faces, (0, 0, 1, 1), SIDE))
        points = [[(point.x, point.y) for point in self._predictor(face, self._box).parts()] for face in large]
        # The centre of the first pixel is half a pixel from the edge.
        return (torch.tensor(points, dtype=torch.float64) + 0.5) / SIDE
