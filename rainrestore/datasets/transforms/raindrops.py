"""Drops of water on a pane of glass in front of the camera, which looks through it at the scene."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from rainrestore.datasets.transforms.degradations import REFERENCE_SIDE, Degradation, Range, checked_range
from rainrestore.errors import ConfigError
from rainrestore.registry import TRANSFORMS

#: n - 1 of water.
REFRACTIVITY = 0.333
#: Waves around a drop's contour, which keep it from being a circle.
CONTOUR_WAVES = (2, 3, 5)


@TRANSFORMS.register_module()
class RaindropsOnGlass(Degradation):
    """``img = (1 - M) img + M R(img)``: where a drop lies (M), one sees what it refracts (Qian et al., CVPR 2018).

    A drop is a spherical cap with the contact angle theta on the pane (Roser & Geiger, ICCV workshops 2009), its rim
    drawn out downwards and uneven. At the relative radius rho its surface is inclined by alpha, ``tan alpha = rho sin
    theta / sqrt(1 - rho^2 sin^2 theta)``. A thin prism of that angle turns a ray by ``(n - 1) tan alpha`` towards the
    drop's axis, n = 1.333, so that at a distance of d pixels the pixel p shows the scene at ``p - d (n - 1) tan alpha``
    times the direction from the drop's centre: a wide, inverted, small picture of the scene, squeezed at the rim.
    The camera is focused on the scene: drop and rim are blurred. The sky's reflection is a bright spot in the upper
    half.

    Lengths are in pixels of a 512-pixel picture, see :mod:`.degradations`. On a picture that already has drops it adds
    more.

    Args:
        count: (low, high) of the number of drops.
        radius: (low, high) of a drop's radius; small ones are more frequent (the draw is uniform in its logarithm).
        contact: (low, high) of theta in degrees, below 90.
        distance: (low, high) of d in radii of the drop.
        blur: (low, high) of the standard deviation of the defocus.
        highlight: (low, high) of the brightness that the reflection adds at its centre, as a part of white.
        seed: see :class:`Degradation`.
    """

    def __init__(
        self,
        count: tuple[int, int] = (15, 60),
        radius: Range = (6, 36),
        contact: Range = (40, 75),
        distance: Range = (6, 16),
        blur: Range = (1, 4),
        highlight: Range = (0, 0.4),
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        name = 'RaindropsOnGlass'
        self.count = tuple(int(bound) for bound in checked_range(count, name, 'count', 0))
        self.radius = checked_range(radius, name, 'radius', 0.1)
        self.contact = checked_range(contact, name, 'contact', 1)
        self.distance = checked_range(distance, name, 'distance', 0)
        self.blur = checked_range(blur, name, 'blur', 0.05)
        self.highlight = checked_range(highlight, name, 'highlight', 0)
        if self.contact[1] >= 90:
            raise ConfigError(f'{name}: contact is below 90 degrees, got {self.contact[1]:g}')

    def degrade(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """See :class:`Degradation`."""
        scale = min(image.shape[:2]) / REFERENCE_SIDE
        height, width = image.shape[:2]
        scene = image.astype(np.float32)
        seen = scene.copy()
        count = int(rng.integers(self.count[0], self.count[1] + 1))
        sigma = rng.uniform(*self.blur) * scale
        for _ in range(count):
            radius = max(math.exp(rng.uniform(*np.log(self.radius))) * scale, 1.0)
            centre = rng.uniform(0, width), rng.uniform(0, height)
            self._drop(scene, seen, radius, centre, sigma, rng)
        drawn = {'degradation': 'raindrops', 'count': count, 'blur': sigma / scale}
        return np.clip(np.rint(seen), 0, 255).astype(np.uint8), [drawn]

    def _drop(
        self,
        scene: np.ndarray,
        seen: np.ndarray,
        radius: float,
        centre: tuple[float, float],
        sigma: float,
        rng: np.random.Generator,
    ) -> None:
        """Draw one drop into ``seen``, H x W x 3 float32 in 0..255."""
        sine = math.sin(math.radians(rng.uniform(*self.contact)))
        distance = rng.uniform(*self.distance) * radius
        stretch = rng.uniform(1.0, 1.5)
        waves = [(wave, rng.uniform(0, 0.3 / wave), rng.uniform(0, 2 * math.pi)) for wave in CONTOUR_WAVES]
        glint = rng.uniform(*self.highlight) * 255
        reach = math.ceil(1.7 * radius * stretch + 3 * sigma) + 1
        (x, y), (height, width) = centre, scene.shape[:2]
        left, right = max(int(x) - reach, 0), min(int(x) + reach + 1, width)
        top, bottom = max(int(y) - reach, 0), min(int(y) + reach + 1, height)
        rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
        across, down = columns - np.float32(x), (rows - np.float32(y)) / np.float32(stretch)
        away = np.hypot(across, down)
        direction = np.arctan2(down, across)
        rim = radius * (1 + sum(size * np.cos(wave * direction + phase) for wave, size, phase in waves))
        rho = away / rim
        inside = np.minimum(rho, 1)
        incline = inside * sine / np.sqrt(1 - (inside * sine) ** 2)
        turn = distance * REFRACTIVITY * incline / np.maximum(away, 1e-3)
        source = (columns - turn * across).astype(np.float32), (rows - turn * down * stretch).astype(np.float32)
        refracted = cv2.remap(scene, *source, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        spot = np.exp(-((across / (0.35 * radius)) ** 2) - ((down + 0.45 * radius) / (0.25 * radius)) ** 2)
        refracted += (glint * spot)[..., None].astype(np.float32)
        mask = np.clip((1 - rho) * radius + 0.5, 0, 1).astype(np.float32)
        # The colours are blurred under the mask and divided by it, so that no scene from beyond the rim leaks in.
        soft = cv2.GaussianBlur(mask, (0, 0), sigma)
        colour = cv2.GaussianBlur(refracted * mask[..., None], (0, 0), sigma) / np.maximum(soft, 1e-4)[..., None]
        area = seen[top:bottom, left:right]
        area += soft[..., None] * (colour - area)
