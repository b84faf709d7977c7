"""Random mirroring of a face with its label map."""

from __future__ import annotations

from typing import Any

import numpy as np

from rainrestore.datasets.transforms.base import FaceTransform
from rainrestore.labels import flip_labels
from rainrestore.registry import TRANSFORMS


@TRANSFORMS.register_module()
class FlipFace(FaceTransform):
    """Mirror ``gt`` and ``mask`` left-right with probability ``prob``, and swap the left and right labels.

    Put it before the degradation. Draws from numpy's global generator, which mmengine seeds in each worker. Writes
    ``results['flip']``.

    Args:
        prob: Probability in [0, 1].

    Raises:
        ValueError: ``prob`` is outside [0, 1], or the sample already has a degraded ``img``.
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'FlipFace: prob must be in [0, 1], got {prob}')
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if 'img' in results:
            raise ValueError("FlipFace: the sample already has 'img'; put FlipFace before the degradation")
        results['flip'] = flip = bool(np.random.random() < self.prob)
        if flip:
            results['gt'] = np.ascontiguousarray(results['gt'][:, ::-1])
            if 'mask' in results:
                results['mask'] = flip_labels(results['mask'])
        return results

    def __repr__(self) -> str:
        return f'FlipFace(prob={self.prob})'
