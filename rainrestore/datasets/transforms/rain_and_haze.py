"""Rain, and haze that depends on the depth of the scene."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from rainrestore.datasets.transforms.base import SeededTransform
from rainrestore.physics import RainRanges, draw_scene, forward, quantise
from rainrestore.registry import TRANSFORMS

#: Points per side of the grid from which a random depth map is interpolated.
KNOTS = 5


def smooth_depth(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A smooth random depth map, H x W float32 in [0, 1], that increases towards the top."""
    ground = np.linspace(1, 0, KNOTS)[:, None]
    knots = (ground + rng.uniform(-0.35, 0.35, (KNOTS, KNOTS))).astype(np.float32)
    depth = cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(depth, 0, 1)


@TRANSFORMS.register_module()
class RainAndHaze(SeededTransform):
    """``img = T (gt + S) + (1 - T) A`` with ``T = exp(-beta d)``, d the depth of each pixel (Li et al., CVPR 2019).

    Reads ``gt`` (H x W x 3 uint8 RGB) and ``depth`` (H x W, nearest 0, farthest 1). Without ``depth`` it draws a smooth
    random depth map. Writes ``img`` (H x W x 3 uint8) and ``rain``, a dict of the drawn parameters.
    :func:`rainrestore.physics.draw_scene` draws S and A; the streak lengths scale with the shorter side.

    Args:
        ranges: ``'rain_v1'`` or a dict of the fields of :class:`rainrestore.physics.RainRanges` that differ from it.
            beta is the attenuation at depth 1.
        seed: With an integer, the draws depend on it and the sample's name (val, test). None: new draws at each access
            (training).

    Raises:
        RainRangesError: An unknown or invalid range.
        KeyError: A sample without ``gt`` (or, with a seed, ``name``).
        ValueError: ``depth`` has another size than ``gt``, or values outside [0, 1].
    """

    def __init__(self, ranges: RainRanges | str | Mapping[str, Any] = 'rain_v1', seed: int | None = None) -> None:
        super().__init__(seed)
        self.ranges = RainRanges.from_config(ranges)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        rng = self.generator(results)
        image = results['gt'].astype(np.float32) / np.float32(255)
        scene = draw_scene(image, self.ranges, rng)
        depth = results.get('depth')
        if depth is None:
            depth = smooth_depth(image.shape[0], image.shape[1], rng)
        elif depth.shape != image.shape[:2] or not (depth.min() >= 0 and depth.max() <= 1):
            raise ValueError(
                f"RainAndHaze: 'depth' must be {image.shape[0]}x{image.shape[1]} in [0, 1], got {depth.shape} in "
                f'[{depth.min():g}, {depth.max():g}]'
            )
        transmission = np.exp(-scene.params['beta'] * depth).astype(np.float32)[..., None]
        results['img'] = quantise(forward(scene.J, scene.S, transmission, scene.A))
        results['rain'] = {**scene.params, 'transmission': [float(transmission.min()), float(transmission.max())]}
        return results
