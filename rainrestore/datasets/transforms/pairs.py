"""Crops and flips that keep an image and its ground truth aligned."""

from typing import Any

import numpy as np

from rainrestore.datasets.transforms.base import FaceTransform
from rainrestore.errors import DatasetError
from rainrestore.registry import TRANSFORMS


def _image_keys(results: dict[str, Any]) -> list[str]:
    return [key for key in ('gt', 'img') if key in results]


@TRANSFORMS.register_module()
class CropPair(FaceTransform):
    """Crop the same square from ``gt`` and ``img`` (if present).

    Args:
        size: Side in pixels.
        random: True: random position, drawn from numpy's global generator (training). False: centre crop (val, test).

    Raises:
        DatasetError: An image is smaller than ``size``. The message names the file.
    """

    def __init__(self, size: int, random: bool = True) -> None:
        self.size = size
        self.random = random

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        height, width = results['gt'].shape[:2]
        rows, columns = height - self.size, width - self.size
        if min(rows, columns) < 0:
            source = results.get('gt_path', results.get('name', 'an image'))
            raise DatasetError(
                f'{source}: {width}x{height} is smaller than the crop of {self.size}; choose a smaller crop'
            )
        if self.random:
            top, left = np.random.randint(rows + 1), np.random.randint(columns + 1)
        else:
            top, left = rows // 2, columns // 2
        for key in _image_keys(results):
            results[key] = np.ascontiguousarray(results[key][top : top + self.size, left : left + self.size])
        return results


@TRANSFORMS.register_module()
class FlipPair(FaceTransform):
    """Mirror ``gt`` and ``img`` left-right with probability ``prob``; writes ``results['flip']``.

    Args:
        prob: Probability in [0, 1]; drawn from numpy's global generator.

    Raises:
        ValueError: ``prob`` is outside [0, 1].
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'{type(self).__name__}: prob must be in [0, 1], got {prob}')
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        results['flip'] = flip = bool(np.random.random() < self.prob)
        if flip:
            for key in _image_keys(results):
                results[key] = np.ascontiguousarray(results[key][:, ::-1])
        return results
