"""The main degradation: turns a clean face into a small face in heavy rain."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rainrestore.datasets.transforms.base import SeededTransform
from rainrestore.errors import DatasetError
from rainrestore.physics import RAIN_RANGES, RainRanges, draw_scene, quantise, shrink
from rainrestore.registry import TRANSFORMS
from rainrestore.rules import is_count


def check_scale(scale: int, caller: str) -> int:
    """Return ``scale`` unchanged if it is valid.

    Raises:
        ValueError: ``scale`` is not an integer of at least 1.
    """
    if not is_count(scale) or scale < 1:
        raise ValueError(f'{caller}: scale must be an integer of at least 1, got {scale!r}')
    return scale


def small_size(results: dict[str, Any], scale: int) -> tuple[int, int]:
    """Height and width of ``gt``, divided by ``scale``.

    Raises:
        DatasetError: A side of ``gt`` is not divisible by ``scale``. The message names the file.
    """
    height, width = results['gt'].shape[:2]
    if height % scale or width % scale:
        source = results.get('gt_path', results.get('name', 'a face'))
        raise DatasetError(f'{source}: {width}x{height} is not divisible by scale {scale}; crop or resize it')
    return height // scale, width // scale


@TRANSFORMS.register_module()
class ScaleAwareHeavyRain(SeededTransform):
    """I = T * (shrink(gt) + sum_i S_i) + (1 - T) * A, quantised to 8 bits (Son & Jeong 2022, eq. 2 and 9).

    Reads ``gt`` (H x W x 3 uint8 RGB) and, with a seed, ``name``. Writes the observation ``img`` (h x w x 3 uint8) and
    its ground truth, float32 in [0, 1]: ``lr`` (J, h x w x 3), ``streak`` (S, h x w x 3), ``transmission`` (T,
    h x w x 1), ``airlight`` (A, 1 x 1 x 3); and ``rain``, a dict of the drawn parameters.

    Args:
        scale: s; the sides of ``gt`` must be divisible by it.
        ranges: ``'rain_v1'``, or a dict of the fields of :class:`rainrestore.physics.RainRanges` that differ from it.
        seed: With an integer, the rain depends on it and the sample's name, not on the order or the number of workers
            (val, test). None: new rain at each access, from numpy's global generator, which mmengine seeds in each
            worker (training).

    Raises:
        RainRangesError: An unknown or invalid range.
        ValueError: ``scale`` or ``seed`` is not an integer.
        KeyError: A sample without ``gt`` (or, with a seed, ``name``).
        TypeError: ``gt`` is not uint8.
        DatasetError: A side of ``gt`` is not divisible by ``scale``. The message names the file.
    """

    def __init__(
        self, scale: int = 4, ranges: RainRanges | str | Mapping[str, Any] = 'rain_v1', seed: int | None = None
    ) -> None:
        super().__init__(seed)
        self.scale = check_scale(scale, 'ScaleAwareHeavyRain')
        self.ranges = RainRanges.from_config(ranges)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        rng = self.generator(results)
        gt = results['gt']
        if gt.dtype != np.uint8:
            raise TypeError(f"ScaleAwareHeavyRain: 'gt' must be uint8 (0..255, RGB), got {gt.dtype}")
        small_size(results, self.scale)
        scene = draw_scene(shrink(gt, self.scale), self.ranges, rng)
        results['img'] = quantise(scene.I)
        results['lr'] = scene.J
        results['streak'] = scene.S
        results['transmission'] = scene.T
        results['airlight'] = scene.A.reshape(1, 1, 3)
        results['rain'] = scene.params
        return results

    def __repr__(self) -> str:
        named = self.ranges.name in RAIN_RANGES
        ranges = self.ranges.name if named else self.ranges.to_dict()
        return f'ScaleAwareHeavyRain(scale={self.scale}, ranges={ranges!r}, seed={self.seed})'
