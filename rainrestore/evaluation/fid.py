"""FID: the distance between the set of restored faces and the set of true faces, on Inception features."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor, nn
from torch.nn import functional as F

from rainrestore.errors import ConfigError
from rainrestore.evaluation.functional import PEAK
from rainrestore.evaluation.metrics import HAS, PREDICTS, Sample, field
from rainrestore.files import sha256_of
from rainrestore.optional import optional_import
from rainrestore.registry import METRICS

WEIGHTS_VARIABLE = 'RAINRESTORE_INCEPTION'
#: TensorFlow's Inception of 2015-12-05 for PyTorch. FID is defined with these weights.
WEIGHTS_FILE = 'pt_inception-2015-12-05-6726825d.pth'
WEIGHTS_SHA256 = '6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2'
INPUT_SIDE = 299


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets of features (Dowson & Landau 1982).

    ``|m - n|^2 + tr(C + D - 2 (C D)^(1/2))``, with the means m and n and the covariances C and D (divisor N - 1) of the
    two sets. With ``C = A^T A`` and ``D = B^T B``, where the rows of A and B are the centred samples, the last trace is
    the sum of the singular values of ``A B^T``. This needs no matrix square root, and is exact with fewer samples than
    features.

    Args:
        first: N x D.
        second: M x D.

    Raises:
        ValueError: Fewer than two samples, or different numbers of features.
    """
    if first.dim() != 2 or second.dim() != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f'expected N x D and M x D, got {tuple(first.shape)} and {tuple(second.shape)}')
    if min(len(first), len(second)) < 2:
        raise ValueError('the covariance needs at least two samples')
    (mean, spread), (other_mean, other_spread) = _gaussian(first), _gaussian(second)
    common = torch.linalg.svdvals(spread @ other_spread.mT).sum()
    distance = (mean - other_mean).square().sum() + spread.square().sum() + other_spread.square().sum() - 2 * common
    return distance.clamp(min=0).item()


def _gaussian(samples: Tensor) -> tuple[Tensor, Tensor]:
    """The mean, and a matrix A with at most D rows for which ``A^T A`` is the covariance."""
    samples = samples.double()
    mean = samples.mean(0)
    centred = (samples - mean) / (len(samples) - 1) ** 0.5
    return mean, torch.linalg.qr(centred, mode='r').R if len(centred) > centred.shape[1] else centred


@METRICS.register_module()
class FID(BaseMetric):
    """Frechet inception distance (Heusel et al. 2017) between restored and true faces; lower is better.

    :func:`frechet_distance` of the 2048 features of TensorFlow's Inception of 2015. Images are rounded to 8 bits and
    resized to 299x299 (bilinear), as in the code published with HiFaceGAN. FID depends on the number of faces, and is
    far too large for few faces. Compare only values for the same number of faces; published values use thousands.

    The weights are not part of this package and are not downloaded. Their SHA-256 is checked.

    Args:
        weights: Path of ``pt_inception-2015-12-05-6726825d.pth``; None: the environment variable
            ``RAINRESTORE_INCEPTION``.
        collect_device: How to gather results of several processes: ``'gpu'`` in messages (also on a CPU), ``'cpu'``
            through files in the working directory.
        prefix: Prefix of the key, separated by a slash.

    Keys: ``FID``.

    Raises:
        ConfigError: The weights are missing or have another SHA-256 (in the constructor), or fewer than two faces.
        MissingPackageError: mmagic, which has the network, is not installed.
    """

    default_prefix = ''
    on_device = True

    def __init__(self, weights: str | None = None, collect_device: str = 'gpu', prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)
        state = _read(weights)
        build = optional_import('mmagic.evaluation.functional.fid_inception', 'FID').fid_inception_v3
        with warnings.catch_warnings(), torch.device('meta'):
            # mmagic uses arguments that torchvision has deprecated. On 'meta', to skip the random initialisation.
            warnings.filterwarnings('ignore', category=UserWarning, module='torchvision')
            self.network: nn.Module = build(load_ckpt=False)
        self.network.load_state_dict(state, assign=True)
        self.network.fc = nn.Identity()
        self.network.requires_grad_(False).eval()

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Add the features of the restored and the true faces of a batch."""
        restored = [field('FID', sample.get('output', {}), 'pred_img', PREDICTS).detach() for sample in data_samples]
        truth = [field('FID', sample, 'gt_img', HAS).to(restored[0].device) for sample in data_samples]
        self.results.extend(zip(self.features(restored), self.features(truth), strict=True))

    def features(self, images: Sequence[Tensor]) -> Tensor:
        """Images 3 x H x W, RGB in [0, 255], of any sizes -> N x 2048, on the CPU."""
        side = (INPUT_SIDE, INPUT_SIDE)
        resized = [F.interpolate(face[None].float().round() / PEAK, side, mode='bilinear') for face in images]
        with torch.no_grad():
            return self.network.to(resized[0].device)(2 * torch.cat(resized) - 1).cpu()

    def compute_metrics(self, results: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """The distance of the two sets."""
        restored, truth = (torch.stack(side) for side in zip(*results, strict=True))
        try:
            return {'FID': frechet_distance(restored, truth)}
        except ValueError as error:
            raise ConfigError(f'FID: {error}') from error


def _read(weights: str | None) -> dict[str, Any]:
    named = weights or os.environ.get(WEIGHTS_VARIABLE)
    remedy = f'set weights= in the config or {WEIGHTS_VARIABLE} to {WEIGHTS_FILE} (of the package pytorch-fid)'
    if not named:
        raise ConfigError(f'FID needs the weights of the Inception network: {remedy}')
    path = Path(named).expanduser()
    if not path.is_file():
        raise ConfigError(f'FID: {named}: no such file; {remedy}')
    if (found := sha256_of(path)) != WEIGHTS_SHA256:
        raise ConfigError(
            f'FID: {named}: wrong weights (sha256 {found[:8]}..., expected {WEIGHTS_SHA256[:8]}...); {remedy}'
        )
    return torch.load(path, map_location='cpu', weights_only=True)
