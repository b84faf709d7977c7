"""Heavy rain with unknown face size, blur, resampling, noise and compression."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from rainrestore.datasets.transforms.base import SeededTransform
from rainrestore.datasets.transforms.degradations import build_degradations, in_turn
from rainrestore.datasets.transforms.rain import check_scale, small_size
from rainrestore.datasets.transforms.rain_and_haze import smooth_depth
from rainrestore.errors import ConfigError
from rainrestore.physics import RainRanges, draw_scene, forward, quantise, resize, shrink
from rainrestore.registry import TRANSFORMS
from rainrestore.rules import checked_range, is_count

#: Resampling kernels for the shrinking, all antialiased, by Pillow's names.
KERNELS = {kernel.name.lower(): kernel for kernel in Image.Resampling if kernel is not Image.Resampling.NEAREST}
#: Weights of R, G and B in the luma (Rec. 601).
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@TRANSFORMS.register_module()
class BlindHeavyRain(SeededTransform):
    """A small face of random size in random rain, resized to the input size of the network.

    The steps follow the image formation in a camera:

    1. Blur ``gt`` (``lens``) and shrink it with a random kernel to n pixels on the shorter side.
    2. Add rain (:func:`rainrestore.physics.draw_scene`).
    3. Add noise and compress (``camera``), except with probability ``raw``.
    4. Resize the image to ``1 / scale`` of ``gt``, like a face cut from a frame.

    Haze may vary over the face: ``T = exp(-beta (1 + v (2 d - 1)))`` with d a smooth random depth map in [0, 1] and v
    drawn from ``haze_variation``. A may have a colour cast: ``A_c = A (1 - t u_c)`` with t drawn from ``cast`` and u_c
    uniform in [0, 1] for each channel. A face is dry (no rain, T = 1) with probability ``dry``, and only shrunk with
    probability ``untouched``, so that the network learns to keep a clean face unchanged. With probability ``grey`` the
    camera has no colour: ``gt`` and ``img`` are their luma (Rec. 601) in three equal channels.

    Reads and writes the keys of :class:`ScaleAwareHeavyRain`. ``lr`` is the sharp ``gt`` shrunk by ``scale``, so the
    network must also undo blur, resampling, noise and compression. ``streak`` and ``transmission`` are resized with
    the image. ``rain`` and ``degradations`` contain the drawn parameters.

    Args:
        scale: s; the sides of ``gt`` must be divisible by it.
        sides: (least, greatest) n, the shorter side of the small face in pixels; integers, uniform.
        kernels: Resampling kernels, chosen with equal probability: ``bilinear``, ``bicubic``, ``lanczos``, ``box``,
            ``hamming``.
        ranges: ``'rain_wide'``, ``'rain_v1'``, or a dict of the fields that differ from the rain ``base``
            (``rain_v1``).
        layers: (least, greatest) m, the number of rain layers; integers, uniform.
        lens: Configs of the degradations before the shrinking.
        camera: Configs of the degradations after the rain.
        haze_variation: (least, greatest) v, the relative variation of the attenuation over the face, in [0, 1].
        cast: (least, greatest) t, the strength of the colour cast of A, in [0, 1].
        grey: Probability of a grey image.
        raw: Probability of an image without ``camera``.
        dry: Probability of a face without rain and haze.
        untouched: Probability of a face that is only shrunk and resized.
        seed: With an integer, the draws depend on it and the sample's name (val, test). None: new draws at each access
            (training).

    Raises:
        ConfigError: An invalid range or probability, or an unknown kernel.
        ValueError: ``scale`` or ``seed`` is not an integer.
        DatasetError: A side of ``gt`` is not divisible by ``scale``; names the file.
        KeyError: A sample without ``gt`` (or, with a seed, ``name``).
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
        haze_variation: tuple[float, float] = (0, 0),
        cast: tuple[float, float] = (0, 0),
        grey: float = 0,
        raw: float = 0,
        dry: float = 0,
        untouched: float = 0,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        self.scale = check_scale(scale, 'BlindHeavyRain')
        self.sides = _whole(sides, 'sides', least=1)
        self.layers = _whole(layers, 'layers', least=0)
        if not kernels or any(kernel not in KERNELS for kernel in kernels):
            raise ConfigError(f'BlindHeavyRain: kernels must be from {", ".join(KERNELS)}, got {list(kernels)}')
        self.kernels = tuple(kernels)
        self.ranges = RainRanges.from_config(ranges)
        self.lens = build_degradations(lens, 'BlindHeavyRain: lens')
        self.camera = build_degradations(camera, 'BlindHeavyRain: camera')
        self.haze_variation = checked_range(haze_variation, 'BlindHeavyRain: haze_variation', 0, 1)
        if min(dry, untouched) < 0 or dry + untouched > 1:
            raise ConfigError(
                f'BlindHeavyRain: dry and untouched are probabilities, their sum at most 1, got {dry} and {untouched}'
            )
        self.cast = checked_range(cast, 'BlindHeavyRain: cast', 0, 1)
        for name, value in (('grey', grey), ('raw', raw)):
            if not 0 <= value <= 1:
                raise ConfigError(f'BlindHeavyRain: {name} is a probability, got {value}')
        self.grey, self.raw = grey, raw
        self.dry = dry
        self.untouched = untouched

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        rng = self.generator(results)
        gt = results['gt']
        height, width = gt.shape[:2]
        target = small_size(results, self.scale)
        chance = rng.random() if self.dry or self.untouched else 1.0
        untouched = chance < self.untouched
        dry = chance < self.untouched + self.dry
        blurred, drawn = in_turn(() if untouched else self.lens, gt, rng)
        side = int(rng.integers(self.sides[0], self.sides[1] + 1))
        kernel = self.kernels[rng.integers(len(self.kernels))]
        size = [round(length * side / min(height, width)) for length in (width, height)]
        small = np.asarray(Image.fromarray(blurred).resize((size[0], size[1]), KERNELS[kernel]))
        layers = 0 if dry else int(rng.integers(self.layers[0], self.layers[1] + 1))
        ranges = replace(self.ranges, layers=layers, beta=(0, 0)) if dry else replace(self.ranges, layers=layers)
        scene = draw_scene(small.astype(np.float32) / np.float32(255), ranges, rng)
        streak, transmission, airlight = scene.S, scene.T, scene.A
        if self.haze_variation[1] and not dry:
            variation, (height, width) = rng.uniform(*self.haze_variation), transmission.shape[:2]
            depth = 1 + variation * (2 * smooth_depth(height, width, rng) - 1)
            transmission = np.exp(-scene.params['beta'] * depth).astype(np.float32)[..., None]
            scene.params['transmission'] = [float(transmission.min()), float(transmission.max())]
        if self.cast[1]:
            airlight = (airlight * (1 - rng.uniform(*self.cast) * rng.random(3))).astype(np.float32)
            scene.params['airlight'] = airlight.tolist()
        rainy = forward(scene.J, streak, transmission, airlight)
        raw = untouched or (self.raw and rng.random() < self.raw)
        recorded, stored = in_turn(() if raw else self.camera, quantise(rainy), rng)
        if self.grey and rng.random() < self.grey:
            results['gt'] = gt = quantise(without_colour(gt / np.float32(255)))
            recorded = quantise(without_colour(recorded / np.float32(255)))
            streak, airlight = without_colour(streak), without_colour(airlight)
            stored.append({'degradation': 'grey'})
        results['img'] = quantise(resize(recorded, *target))
        results['lr'] = shrink(gt, self.scale)
        results['streak'] = np.clip(resize(streak, *target), 0, 1)
        results['transmission'] = np.clip(resize(transmission, *target), 0, 1)
        results['airlight'] = airlight.reshape(1, 1, 3)
        results['rain'] = {**scene.params, 'ranges': self.ranges.name}
        results['degradations'] = [*drawn, {'degradation': 'shrink', 'side': side, 'kernel': kernel}, *stored]
        return results


def without_colour(image: np.ndarray) -> np.ndarray:
    """The luma of an image or a colour (..., 3) in three equal channels."""
    return np.repeat((image @ LUMA)[..., None], 3, axis=-1)


def _whole(value: tuple[int, int], option: str, least: int) -> tuple[int, int]:
    if len(value) != 2 or not all(map(is_count, value)) or not least <= value[0] <= value[1]:
        raise ConfigError(
            f'BlindHeavyRain: {option} must be (least, greatest), integers of at least {least}, got {value!r}'
        )
    return value[0], value[1]
