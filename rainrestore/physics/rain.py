"""The scale-aware heavy rain model (Son & Jeong 2022, eq. 2 and 9): random draws, layers and their sum.

    I = T * (J + sum_i S_i) + (1 - T) * A

All elementwise on images in [0, 1]. J is the clean face after the bicubic shrink, S_i a rain layer (white noise through
a motion filter), T = exp(-beta d) the transmission of the rain veil at depth d = 1, A its airlight.

Every random range is a field of :class:`RainRanges`. The defaults are ``rain_v1``. They never change, because published
values refer to this name. Another distribution gets another name.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

import cv2
import numpy as np
import torch

from rainrestore.errors import RainRangesError
from rainrestore.rules import checked_range, is_count, is_number
from rainrestore.suggest import did_you_mean

Array = TypeVar('Array', np.ndarray, torch.Tensor)

# Lengths in RainRanges are in pixels of a small image with this side.
REFERENCE_SIDE = 32

# Kernel weights and the noise values of rain_v1 (float32 sums of terms above 0.5) are multiples of 2^-24. The sums of
# their products are exact in float64, so the rain is bit-identical on every machine.
_WEIGHT_GRID = 2.0**24

# Above about 50 taps OpenCV filters with a DFT, which is inexact and slower at these sizes. Kernels are split instead.
_TAPS_PER_CALL = 49

#: Field -> limits of its pair.
_LIMITS: dict[str, tuple[float, float]] = {
    'noise_mean': (-100, 100), 'noise_variance': (0, 100), 'length': (1, 128), 'angle': (-3600, 3600),
    'beta': (0, 10_000), 'airlight': (0, 1),
}  # fmt: skip
_LARGEST_GAIN = 1000
_MOST_LAYERS = 20
_GAIN_FIELDS = ('gain_base', 'gain_per_length', 'gain_jitter')


@dataclass(frozen=True)
class RainRanges:
    """Every random range of the rain. A pair is (low, high) of a uniform draw, one draw per image (and layer).

    Attributes:
        noise_mean: The white noise has mean -noise_mean and is clipped to [0, 1]. A larger value gives sparser rain.
        noise_variance: Variance of the noise before clipping.
        length: Length of the motion filter in pixels of an image whose shorter side is 32; scales with that side.
        angle: Direction of the streaks in degrees, counter-clockwise from horizontal (90 falls straight down).
        gain_base, gain_per_length, gain_jitter: A layer is multiplied by base + per_length * length + jitter * u, with
            the length at side 32 and u uniform in [0, 1).
        beta: Attenuation; T = exp(-beta).
        airlight: Value of A, equal in the three channels, in [0, 1].
        layers: Number m of rain layers, each with its own draws; 0 gives haze without streaks.

    Raises:
        RainRangesError: A range is not two ascending finite numbers, or it exceeds the limits of the model.
    """

    noise_mean: tuple[float, float] = (0.8, 1.0)
    noise_variance: tuple[float, float] = (0.7, 1.0)
    length: tuple[float, float] = (5.0, 12.0)
    angle: tuple[float, float] = (70.0, 110.0)
    gain_base: float = 0.4
    gain_per_length: float = 0.075
    gain_jitter: float = 0.1
    beta: tuple[float, float] = (0.5, 1.2)
    airlight: tuple[float, float] = (0.5, 0.95)
    layers: int = 1

    def __post_init__(self) -> None:
        for name, limits in _LIMITS.items():
            pair = checked_range(getattr(self, name), f'rain range {name!r}:', *limits, RainRangesError)
            object.__setattr__(self, name, pair)  # lists from a config become tuples
        for name in _GAIN_FIELDS:
            value = getattr(self, name)
            if not is_number(value) or not 0 <= value <= _LARGEST_GAIN:
                raise RainRangesError(f'rain range {name!r}: must be a number in 0..{_LARGEST_GAIN}, got {value!r}')
            object.__setattr__(self, name, float(value))
        if not is_count(self.layers) or self.layers > _MOST_LAYERS:
            raise RainRangesError(f"rain range 'layers': must be an integer in 0..{_MOST_LAYERS}, got {self.layers!r}")
        object.__setattr__(self, 'layers', int(self.layers))  # an integer of numpy cannot be written as JSON

    @classmethod
    def from_config(cls, config: RainRanges | str | Mapping[str, Any] | None = None) -> RainRanges:
        """Ranges from a config: a name, or a dict of the fields that differ from the rain ``base`` (``rain_v1``).

        Raises:
            RainRangesError: Unknown name or field (the message names the nearest known one), or an invalid value.
        """
        if isinstance(config, RainRanges):
            return config
        if isinstance(config, str):
            if config not in RAIN_RANGES:
                near = did_you_mean(config, RAIN_RANGES)
                raise RainRangesError(f'unknown rain {config!r}{near}; known: {", ".join(RAIN_RANGES)}')
            return RAIN_RANGES[config]
        config = dict(config or {})
        base = cls.from_config(config.pop('base', 'rain_v1'))
        known = [item.name for item in fields(cls)]
        for name in config:
            if name not in known:
                near = did_you_mean(str(name), known)
                raise RainRangesError(f'unknown rain range {name!r}{near}; known: {", ".join(known)}')
        return replace(base, **config)

    @property
    def name(self) -> str:
        """The published name of these ranges; ``custom`` if they have none."""
        return next((name for name, ranges in RAIN_RANGES.items() if ranges == self), 'custom')

    def to_dict(self) -> dict[str, Any]:
        """All fields, for JSON; :meth:`from_config` reads them back."""
        return asdict(self)


#: Named distributions. ``rain_v1`` never changes. ``rain_wide`` covers drizzle to downpour, with streaks of 45 to 135
#: degrees.
RAIN_RANGES: dict[str, RainRanges] = {
    'rain_v1': RainRanges(),
    'rain_wide': RainRanges(
        noise_mean=(0.6, 1.2), noise_variance=(0.5, 1.2), length=(3, 16), angle=(45, 135), gain_base=0.2,
        gain_per_length=0.06, gain_jitter=0.5, beta=(0.1, 1.6), airlight=(0.4, 1.0),
    ),
}  # fmt: skip


@dataclass
class RainScene:
    """One degraded image and its terms; images are h x w x 3 float32 RGB in [0, 1].

    Attributes:
        J: The clean small face.
        S: The effective sum of the rain layers, min(J + sum_i S_i, 1) - J. Without the clip, its channels are equal.
        T: Transmission, h x w x 1.
        A: Airlight, (3,).
        I: ``forward(J, S, T, A)``, before quantisation.
        params: All drawn parameters, JSON-serialisable.
    """

    J: np.ndarray
    S: np.ndarray
    T: np.ndarray
    A: np.ndarray
    I: np.ndarray  # noqa: E741 (the paper's name)
    params: dict[str, Any] = field(default_factory=dict)


def seeded_rng(seed: int, name: str) -> np.random.Generator:
    """A random generator that depends on ``seed`` and ``name`` only, not on order, worker, process or machine.

    PCG64, seeded with the SHA-256 of ``'{seed}:{name}'`` in UTF-8.
    """
    digest = hashlib.sha256(f'{seed}:{name}'.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, 'little')))


def motion_kernel(length: float, angle: float) -> np.ndarray:
    """The filter kernel of a straight streak: a segment of ``length`` px through the centre, one pixel wide.

    Along the streak, the weight of a pixel is its overlap with the segment. Across the streak, the weight falls
    linearly to zero within one pixel, as in MATLAB's ``fspecial('motion')``.

    Args:
        length: Pixels, at least 1; the second moment along the streak is about length^2 / 12.
        angle: Degrees, counter-clockwise from horizontal in the displayed image.

    Returns:
        h x w float64 with odd sides, point-symmetric, sum 1, cropped to the streak.

    Raises:
        ValueError: ``length`` is below 1, or an argument is not finite.
    """
    if not (math.isfinite(length) and length >= 1 and math.isfinite(angle)):
        raise ValueError(f'motion_kernel: expected a length of at least 1 and a finite angle, got {length}, {angle}')
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    # Half size of the kernel: the segment, extended by half a pixel at each end and by one pixel at each side.
    reach = (length + 1) / 2
    half_h, half_w = (math.ceil(reach * abs(a) + abs(b)) for a, b in ((sin, cos), (cos, sin)))
    down, right = np.ogrid[-half_h : half_h + 1, -half_w : half_w + 1]
    along = np.abs(right * cos - down * sin)
    across = np.abs(right * sin + down * cos)
    weights = np.clip(reach - along, 0, 1) * np.maximum(1 - across, 0)
    weights = np.rint(weights * (_WEIGHT_GRID / weights.sum()))
    weights[half_h, half_w] += _WEIGHT_GRID - weights.sum()
    weights /= _WEIGHT_GRID
    top, left = (places.min() for places in np.nonzero(weights))
    return np.ascontiguousarray(weights[top : weights.shape[0] - top, left : weights.shape[1] - left])


def _filter(noise: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """'Valid' correlation: (h + kh - 1) x (w + kw - 1) noise to h x w, float64."""
    noise = noise.astype(np.float64)
    kh, kw = kernel.shape
    h, w = noise.shape[0] - kh + 1, noise.shape[1] - kw + 1
    wide = min(kw, _TAPS_PER_CALL)
    tall = max(_TAPS_PER_CALL // wide, 1)
    result = np.zeros((h, w))
    for top in range(0, kh, tall):
        for left in range(0, kw, wide):
            part = kernel[top : top + tall, left : left + wide]
            if not part.any():
                continue
            # With its anchor in the corner, the part reads only pixels below and to the right.
            area = noise[top : top + h + part.shape[0] - 1, left : left + w + part.shape[1] - 1]
            layer = cv2.filter2D(area, cv2.CV_64F, part, anchor=(0, 0), borderType=cv2.BORDER_ISOLATED)[:h, :w]
            result += layer
    return result


def forward(J: Array, S: Array, T: Array, A: Array) -> Array:
    """Eq. 2: I = T * (J + S) + (1 - T) * A, elementwise with broadcasting, for numpy arrays and torch tensors.

    S is the sum of the layers. Shapes: J and S h x w x 3, T h x w x 1, A (3,); or J and S N x 3 x h x w, T
    N x 1 x h x w, A N x 3 x 1 x 1. The result is not clipped. It is in [0, 1] if J + S, T and A are.
    """
    return T * (J + S) + (1 - T) * A


def quantise(image: np.ndarray) -> np.ndarray:
    """Quantise [0, 1] to uint8 0..255: multiply by 255, round to nearest, clip."""
    scaled = image * np.float32(255)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)


def draw_scene(
    J: np.ndarray, ranges: RainRanges, rng: np.random.Generator, face_side: float | None = None
) -> RainScene:
    """Draw rain and haze for one clean small face, or for a scene with faces.

    The scalars are drawn first (beta, airlight, then five per layer), then the noise, layer by layer. More layers
    do not change the haze or the earlier scalars.

    Args:
        J: h x w x 3 float32 in [0, 1].
        ranges: The distribution.
        rng: The random generator. The order of the draws is fixed, so equal states give equal scenes.
        face_side: Side of a face in pixels of J; streak lengths scale with it. Default: the shorter side of J.

    Raises:
        ValueError: J is not h x w x 3.
        TypeError: J is not float32 (uint8 would be read as 255 times too bright).
    """
    if J.ndim != 3 or J.shape[2] != 3:
        raise ValueError(f'draw_scene: J must be h x w x 3, got shape {J.shape}')
    if J.dtype != np.float32:
        raise TypeError(f'draw_scene: J must be float32 in [0, 1], got {J.dtype}')
    height, width = J.shape[:2]
    scale = (face_side or min(height, width)) / REFERENCE_SIDE
    draws = iter(rng.random(2 + 5 * ranges.layers).tolist())

    def within(bounds: tuple[float, float]) -> float:
        return bounds[0] + (bounds[1] - bounds[0]) * next(draws)

    beta, airlight = within(ranges.beta), within(ranges.airlight)
    layers = []
    for _ in range(ranges.layers):
        mean, variance = -within(ranges.noise_mean), within(ranges.noise_variance)
        length, angle = within(ranges.length), within(ranges.angle)
        gain = ranges.gain_base + ranges.gain_per_length * length + ranges.gain_jitter * next(draws)
        length = max(length * scale, 1.0)  # motion_kernel needs at least one pixel
        layers.append({'noise_mean': mean, 'noise_variance': variance, 'length': length, 'angle': angle, 'gain': gain})
    rain = np.zeros((height, width))
    for layer in layers:
        kernel = motion_kernel(layer['length'], layer['angle'])
        # The margin of noise has the size of the kernel, so the rain is as dense at the edges as in the middle.
        noise = rng.standard_normal((height + kernel.shape[0] - 1, width + kernel.shape[1] - 1), dtype=np.float32)
        noise *= np.float32(math.sqrt(layer['noise_variance']))
        noise += np.float32(layer['noise_mean'])
        np.clip(noise, 0, 1, out=noise)
        rain += layer['gain'] * _filter(noise, kernel)
    S = J + rain.astype(np.float32)[:, :, None]
    np.minimum(S, 1, out=S)
    S -= J
    transmission = math.exp(-beta)
    T = np.full((height, width, 1), transmission, dtype=np.float32)
    A = np.full(3, airlight, dtype=np.float32)
    params = {'ranges': ranges.name, 'beta': beta, 'transmission': transmission, 'airlight': airlight, 'layers': layers}
    return RainScene(J, S, T, A, forward(J, S, T, A), params)
