"""NIQE: the distance between the statistics of an image and of natural images, without a reference."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from rainrestore.errors import ConfigError
from rainrestore.evaluation.functional import PEAK
from rainrestore.evaluation.metrics import PREDICTS, Sample, SampleMetric, field
from rainrestore.optional import optional_import, packaged_file
from rainrestore.registry import METRICS

PARAMETERS = 'evaluation/metrics/niqe_pris_params.npz'
PUBLISHED_BLOCK = 96
GREY_WEIGHTS = (0.299, 0.587, 0.114)


@METRICS.register_module()
class NIQE(SampleMetric):
    """Natural image quality evaluator (Mittal et al. 2013), computed by mmagic; lower is better.

    ``sqrt((m - n)^T ((C + D) / 2)^+ (m - n))``: m and C are mean and covariance of 36 features of the blocks of the
    grey image, n and D of 125 natural images (parameters from mmagic). Grey is 0.299 R + 0.587 G + 0.114 B, rounded.

    mmagic's own metric (``type='mmagic.NIQE'``) assumes BGR, and fails for images with a single block of 96 pixels,
    because the covariance needs two blocks. With ``block=64``, an image of 128 pixels has four blocks. The parameters
    of the natural images are for blocks of 96, so values for other blocks are not comparable and have another key.

    Args:
        block: Side of the blocks in pixels, even, at least 16; 96 as published.
        pred_key: Key of the image in ``output``; ``pred_img`` is in [0, 255], all others in [0, 1].
        **options: Arguments of :class:`SampleMetric`.

    Keys: ``NIQE``; with ``_<pred_key>`` for another image than the restored face, and ``_block<N>`` for other blocks.
    An image without any structure has no value.

    Raises:
        MissingPackageError: mmagic is not installed (in the constructor).
        ConfigError: An invalid block, or an image with fewer than two blocks.
    """

    def __init__(self, block: int = PUBLISHED_BLOCK, pred_key: str = 'pred_img', **options: Any) -> None:
        super().__init__(**options)
        if block < 16 or block % 2:
            raise ConfigError(f'NIQE: block must be an even number of at least 16, got {block!r}')
        self.block = block
        self.pred_key = pred_key
        self.key = 'NIQE' + (f'_{pred_key}' if pred_key != 'pred_img' else '')
        if block != PUBLISHED_BLOCK:
            self.key += f'_block{block}'
        self._mmagic: Any = optional_import('mmagic.evaluation.metrics.niqe', 'NIQE')
        with np.load(packaged_file('mmagic', PARAMETERS, 'NIQE')) as natural:
            self._natural = [natural[key] for key in ('mu_pris_param', 'cov_pris_param', 'gaussian_window')]

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Add name and value of each image of a batch."""
        for sample in data_samples:
            output = sample.get('output', {})
            value = math.nan
            if not self.optional or self.pred_key in output:
                image = field(self.key, output, self.pred_key, PREDICTS).detach()
                value = self.score(image if self.pred_key == 'pred_img' else image * PEAK)
            self.results.append((str(sample.get('name', '')), value))

    def score(self, image: Tensor) -> float:
        """NIQE of 3 x H x W RGB in [0, 255]; NaN for an image without structure."""
        pixels = image.double().cpu().numpy()
        grey = np.tensordot(GREY_WEIGHTS, pixels, 1).round()
        height, width = grey.shape
        if (height // self.block) * (width // self.block) < 2:
            raise ConfigError(
                f'{self.key} needs two blocks of {self.block}x{self.block} pixels, the image has {width}x{height}; '
                'choose a smaller block= (the values are not comparable)'
            )
        with warnings.catch_warnings():
            # mmagic excludes constant blocks, but computes empty means for them first.
            warnings.simplefilter('ignore', RuntimeWarning)
            try:
                return float(self._mmagic.niqe_core(grey, *self._natural, self.block, self.block))
            except np.linalg.LinAlgError:
                return math.nan
