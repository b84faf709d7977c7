"""NIQE: the distance of a picture's statistics from the statistics of natural pictures, without a reference."""

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
    """Natural image quality evaluator (Mittal et al. 2013), lower is better, as mmagic computes it.

    ``sqrt((m - n)^T ((C + D) / 2)^+ (m - n))``: m and C are mean and covariance of 36 features of the blocks of the
    grey picture, n and D those of 125 natural pictures, which mmagic contains. Grey is 0.299 R + 0.587 G + 0.114 B,
    rounded.

    mmagic's own metric (``type='mmagic.NIQE'``) takes RGB for BGR, and fails for pictures of a single block of 96: a
    covariance needs two. ``block=64`` makes four blocks of a picture of 128. The natural pictures were measured in
    blocks of 96, so that this is another measure, with another key.

    Args:
        block: Side of the blocks, even; 96 as published.
        pred_key: Key of the picture in ``output``; ``pred_img`` is in [0, 255], every other one in [0, 1].
        optional: Leave out samples without prediction; otherwise they are an error.
        collect_device: As for :class:`SampleMetric`.
        prefix: As for :class:`SampleMetric`.

    Keys: ``NIQE``, ``NIQE_block64`` and the like for other blocks; with ``_<pred_key>`` for another picture than the
    restored face. A picture without any structure has no value.

    Raises:
        MissingPackageError: mmagic is not installed (at building).
        ConfigError: An odd or a tiny block, or a picture that has not two of them.
    """

    def __init__(
        self,
        block: int = PUBLISHED_BLOCK,
        pred_key: str = 'pred_img',
        optional: bool = False,
        collect_device: str = 'gpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        if block < 16 or block % 2:
            raise ConfigError(f'NIQE: block is an even number of at least 16, not {block!r}')
        self.block = block
        self.pred_key = pred_key
        self.optional = optional
        self.key = 'NIQE' + (f'_{pred_key}' if pred_key != 'pred_img' else '')
        if block != PUBLISHED_BLOCK:
            self.key += f'_block{block}'
        self._mmagic: Any = optional_import('mmagic.evaluation.metrics.niqe', 'NIQE')
        with np.load(packaged_file('mmagic', PARAMETERS, 'NIQE')) as natural:
            self._natural = [natural[key] for key in ('mu_pris_param', 'cov_pris_param', 'gaussian_window')]

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Add name and value of each picture of a batch."""
        for sample in data_samples:
            output = sample.get('output', {})
            value = math.nan
            if not self.optional or self.pred_key in output:
                picture = field(self.key, output, self.pred_key, PREDICTS).detach()
                value = self.score(picture if self.pred_key == 'pred_img' else picture * PEAK)
            self.results.append((str(sample.get('name', '')), value))

    def score(self, picture: Tensor) -> float:
        """NIQE of 3 x H x W RGB in [0, 255]; NaN where nothing varies."""
        pixels = picture.double().cpu().numpy()
        grey = np.tensordot(GREY_WEIGHTS, pixels, 1).round()
        height, width = grey.shape
        if (height // self.block) * (width // self.block) < 2:
            raise ConfigError(
                f'{self.key} needs two blocks of {self.block}x{self.block}, the picture has {width}x{height}; '
                'choose a smaller block=, which is another measure'
            )
        with warnings.catch_warnings():
            # A flat block has neither positive nor negative values to average; mmagic leaves it out.
            warnings.simplefilter('ignore', RuntimeWarning)
            try:
                return float(self._mmagic.niqe_core(grey, *self._natural, self.block, self.block))
            except np.linalg.LinAlgError:
                return math.nan
