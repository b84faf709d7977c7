"""Heavy rain of which nothing is known: how large the face was, through what lens, how it was shrunk and stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from rainrestore.datasets.transforms.base import FaceTransform, check_keys, check_seed, sample_rng
from rainrestore.datasets.transforms.degradations import build_degradations, in_turn
from rainrestore.datasets.transforms.rain import check_scale, small_size
from rainrestore.errors import ConfigError
from rainrestore.physics import RainRanges, draw_scene, quantise, resize, shrink
from rainrestore.registry import TRANSFORMS

#: Kernels that pictures are shrunk with, all antialiased, by Pillow's names.
KERNELS = {kernel.name.lower(): kernel for kernel in Image.Resampling if kernel is not Image.Resampling.NEAREST}


@TRANSFORMS.register_module()
class BlindHeavyRain(FaceTransform):
    """A face of any small size in any rain, brought to the size that a network takes.

    In the order in which a camera does it: ``gt`` is blurred (``lens``), shrunk to n pixels with a random kernel, seen
    through rain (:func:`rainrestore.physics.draw_scene`), made noisy and stored (``camera``), and at last resized to
    ``1 / scale`` of ``gt``, as a face cut from a frame is.

    Reads and writes what :class:`ScaleAwareHeavyRain` does. ``lr`` is ``gt`` shrunk as there, so that blur, kernel,
    noise and storing are to be undone too; ``streak`` and ``transmission`` are those of the scene, resized with it.
    What was drawn is in ``rain`` and ``degradations``.

    Args:
        scale: as of :class:`ScaleAwareHeavyRain`.
        sides: (least, greatest) n, the shorter side of the small face; whole numbers, each as likely.
        kernels: those to choose from: ``bilinear``, ``bicubic``, ``lanczos``, ``box``, ``hamming``.
        ranges: ``'rain_wide'``, ``'rain_v1'``, or a dict of the fields that differ from the latter.
        layers: (least, greatest) m, the number of rain layers, each as likely.
        lens: configs of the degradations before the shrinking.
        camera: configs of those after the rain.
        seed: a whole number gives each name its draws (val, test); None draws anew each time (training).

    Raises:
        ConfigError: an impossible range, an unknown kernel.
        ValueError: ``scale`` or ``seed`` is not a whole number.
        DatasetError: a side of ``gt`` is not divisible by ``scale``; names the file.
        KeyError: a sample without ``gt`` (or, with a seed, ``name``).
    """

    def __init__(
        self,
        scale: int = 4,
        sides: tuple[int, int] = (24, 48),
        kernels: Sequence[str] = ('bilinear', 'bicubic', 'lanczos', 'box', 'hamming'),
        ranges: RainRanges | str | Mapping[str, Any] = 'rain_wide',
        layers: tuple[int, int] = (0, 3),
        lens: Sequence[Mapping[str, Any]] = ({'type': 'MotionOrDefocusBlur', 'length': (0, 12), 'sigma': (0.5, 5)},),
        camera: Sequence[Mapping[str, Any]] = (
            {'type': 'AdditiveNoise', 'sigma': (0, 12), 'lam': (0, 8)},
            {'type': 'JPEGArtefacts', 'compression': (5, 60)},
        ),
        seed: int | None = None,
    ) -> None:
        self.scale = check_scale(scale, 'BlindHeavyRain')
        self.sides = _whole(sides, 'sides', least=1)
        self.layers = _whole(layers, 'layers', least=0)
        if not kernels or any(kernel not in KERNELS for kernel in kernels):
            raise ConfigError(f'BlindHeavyRain: kernels are of {", ".join(KERNELS)}, not {list(kernels)}')
        self.kernels = tuple(kernels)
        self.ranges = RainRanges.from_config(ranges)
        self.lens = build_degradations(lens, 'BlindHeavyRain: lens')
        self.camera = build_degradations(camera, 'BlindHeavyRain: camera')
        self.seed = check_seed(seed, 'BlindHeavyRain')

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        check_keys(results, self.seed, 'BlindHeavyRain')
        gt = results['gt']
        height, width = gt.shape[:2]
        target = small_size(results, self.scale)
        rng = sample_rng(self.seed, results.get('name', ''))
        blurred, drawn = in_turn(self.lens, gt, rng)
        side = int(rng.integers(self.sides[0], self.sides[1] + 1))
        kernel = self.kernels[rng.integers(len(self.kernels))]
        size = [round(length * side / min(height, width)) for length in (width, height)]
        small = np.asarray(Image.fromarray(blurred).resize((size[0], size[1]), KERNELS[kernel]))
        layers = int(rng.integers(self.layers[0], self.layers[1] + 1))
        scene = draw_scene(small.astype(np.float32) / np.float32(255), replace(self.ranges, layers=layers), rng)
        seen, stored = in_turn(self.camera, quantise(scene.I), rng)
        results['img'] = quantise(resize(seen, *target))
        results['lr'] = shrink(gt, self.scale)
        results['streak'] = np.clip(resize(scene.S, *target), 0, 1)
        results['transmission'] = np.full((*target, 1), scene.T.flat[0])
        results['airlight'] = scene.A.reshape(1, 1, 3)
        results['rain'] = {**scene.params, 'ranges': self.ranges.name}
        results['degradations'] = [*drawn, {'degradation': 'shrink', 'side': side, 'kernel': kernel}, *stored]
        return results


def _whole(value: tuple[int, int], option: str, least: int) -> tuple[int, int]:
    whole = len(value) == 2 and all(isinstance(bound, int) and not isinstance(bound, bool) for bound in value)
    if not whole or not least <= value[0] <= value[1]:
        raise ConfigError(
            f'BlindHeavyRain: {option} is (least, greatest), whole numbers of at least {least}, not {value!r}'
        )
    return value[0], value[1]
