"""Whether eyes, nose, mouth and chin of the restored face are where they are in the true one."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rainrestore.errors import ConfigError
from rainrestore.evaluation.functional import PEAK
from rainrestore.evaluation.identity import INSTALL, PACKAGE, cut_window
from rainrestore.evaluation.metrics import PairMetric
from rainrestore.optional import optional_import, packaged_file
from rainrestore.registry import METRICS, MODELS

Locator = Callable[[Tensor], Tensor]

MODEL_FILE = 'shape_predictor_68_face_landmarks.dat'
#: The side of the pictures in HiFaceGAN's table; errors are in its pixels.
SIDE = 512


@METRICS.register_module()
class LLE(PairMetric):
    """Landmark localisation error: mean distance between the landmarks of the restored and of the true face.

    ``mean over l of |p_l(H^) - p_l(H)|``, in pixels of a face of 512 whatever the size of the pictures, so that it
    compares with HiFaceGAN's table (Yang et al. 2020). 0 is the same picture.

    Args:
        locator: What finds them, built by the registry: takes N x 3 x H x W RGB in [0, 1], gives N x L x 2, the x and y
            of each landmark as fractions of the sides.
        pred_key: As for :class:`PairMetric`.
        gt_key: As for :class:`PairMetric`.
        optional: As for :class:`PairMetric`.
        collect_device: As for :class:`SampleMetric`.
        prefix: As for :class:`SampleMetric`.

    Keys: ``LLE``, with ``_<pred_key>`` for another picture than the restored face.

    Raises:
        MissingPackageError: The locator's package is missing (at building).
        ConfigError: It does not give the same number of points for each face.
    """

    name = 'LLE'

    def __init__(
        self,
        locator: Mapping[str, Any] | None = None,
        pred_key: str = 'pred_img',
        gt_key: str | None = None,
        optional: bool = False,
        collect_device: str = 'gpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(pred_key, gt_key, optional, collect_device, prefix)
        self.locator: Locator = MODELS.build(dict(locator or {'type': 'DlibLandmarks'}))

    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """LLE an image."""
        first, second = self._locate(pred), self._locate(gt)
        return SIDE * torch.linalg.vector_norm(first - second, dim=2).mean(1)

    def _locate(self, faces: Tensor) -> Tensor:
        points = self.locator((faces / PEAK).float())
        if points.dim() != 3 or len(points) != len(faces) or points.shape[2] != 2:
            raise ConfigError(
                f'{self.key}: {type(self.locator).__name__} gives {tuple(points.shape)} for {len(faces)} faces, '
                f'expected ({len(faces)}, L, 2)'
            )
        return points.double()


@MODELS.register_module()
class DlibLandmarks:
    """dlib's 68 landmarks: an ensemble of regression trees (Kazemi & Sullivan 2014) that starts from a box of the face.

    No face is searched: pictures of this project are aligned, so the trees start from the same box in each, the average
    of those that dlib finds in the bundled portraits and in CelebA-HQ. A detector fails on the worst restorations, and
    leaves exactly those out of the average, as HiFaceGAN's code does. Of 30 portraits dlib finds 28, in which the
    points are at 1.1 pixels of 512 from those of the box that it found. The LLE of their copies shrunk to 32x32 and
    enlarged again is 4.4 this way, and 4.3 over the 26 in which it finds both.

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
