"""Raindrops on a glass pane between the camera and the scene, in focus and out of focus."""

import math
from typing import Any, NamedTuple

import cv2
import numpy as np

from rainrestore.datasets.transforms.degradations import REFERENCE_SIDE, Degradation, Range
from rainrestore.errors import ConfigError
from rainrestore.registry import TRANSFORMS
from rainrestore.rules import checked_range

#: n - 1 of water.
REFRACTIVITY = 0.333
#: Numbers of cosine waves around the contour of a drop; they make the contour uneven.
CONTOUR_WAVES = np.array([2, 3, 5])
#: Largest amplitude of a wave times its number, in radii. The sum of the waves is below 0.31.
WAVINESS = 0.3
#: Upper bound of the distance of the contour from the centre, in radii: waves times the largest stretch.
REACH = 1.31 * 1.5
#: ``brightness`` is multiplied by this at the top edge of a drop, and by 1 at the bottom edge, which refracts the sky.
TOP_LIGHT = 0.3


class Drops(NamedTuple):
    """n drops on the pane; each field is an array of length n. Lengths are in pixels of the image.

    Attributes:
        x, y: Centres.
        radius: Radii, before stretch and waves.
        stretch: Height divided by width.
        amplitude, phase: (n, 3) of the waves in :data:`CONTOUR_WAVES`.
        sine: Sine of the contact angle.
        distance: Distance of the scene in radii of the drop.
        brightness: Blend towards white at the bottom edge of a drop, in [0, 1].
        highlight: Brightness of the reflection at its centre, in [0, 1] of white.
        sharp: Whether the drop is in focus.
    """

    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    stretch: np.ndarray
    amplitude: np.ndarray
    phase: np.ndarray
    sine: np.ndarray
    distance: np.ndarray
    brightness: np.ndarray
    highlight: np.ndarray
    sharp: np.ndarray


def _rho(drops: Drops, which: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Distance of points from the centre of their drop, divided by the distance of the contour in that direction.

    ``across`` and ``down`` are the offsets of the points from the centre; ``down`` is divided by the stretch.
    """
    direction = np.arctan2(down, across)
    rim = np.ones_like(across)
    for number, wave in enumerate(CONTOUR_WAVES):
        rim += drops.amplitude[which, number] * np.cos(wave * direction + drops.phase[which, number])
    return np.hypot(across, down) / (drops.radius[which] * rim)


def _owners(drops: Drops, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pixels behind drops: their flat indices, the index of the drop of each, and its rho there.

    Where drops overlap, the pixel belongs to the last drop in the list.
    """
    half = np.ceil(REACH * drops.radius).astype(int) + 1
    size = np.ceil(np.log2(half)).astype(int)
    pixels, owners, depths = [], [], []
    # Vectorised over drops of similar size, because a loop over hundreds of small drops is slow.
    for exponent in np.unique(size):
        which = np.flatnonzero(size == exponent)[:, None, None]
        window = half[which].max()
        steps = np.arange(-window, window + 1)
        columns = np.floor(drops.x[which]).astype(int) + steps[None, None, :]
        rows = np.floor(drops.y[which]).astype(int) + steps[None, :, None]
        across = (columns - drops.x[which]).astype(np.float32)
        down = ((rows - drops.y[which]) / drops.stretch[which]).astype(np.float32)
        # A margin of one pixel for the antialiased edge.
        reach = REACH / 1.5 * drops.radius[which] + 1
        near = (across**2 + down**2 < reach**2) & (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        drop, row, column = np.nonzero(near)
        owner = which[drop, 0, 0]
        rho = _rho(drops, owner, across[drop, 0, column], down[drop, row, 0])
        inside = (1 - rho) * drops.radius[owner] > -0.5
        pixels.append((rows[drop, row, 0] * width + columns[drop, 0, column])[inside])
        owners.append(owner[inside])
        depths.append(rho[inside])
    pixel, owner, rho = (np.concatenate(parts) for parts in (pixels, owners, depths))
    last = np.full(height * width, -1)
    np.maximum.at(last, pixel, owner)
    visible = owner == last[pixel]
    return pixel[visible], owner[visible], rho[visible]


def _disc(radius: float) -> np.ndarray:
    """The filter kernel of a circular aperture: a disc with antialiased edge, sum 1, k x k float32."""
    half = math.ceil(radius)
    steps = np.arange(-half, half + 1, dtype=np.float32)
    disc = np.clip(radius + 0.5 - np.hypot(steps[:, None], steps[None, :]), 0, 1)
    return disc / disc.sum()


def render_drops(scene: np.ndarray, drops: Drops, defocus: float, blur: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Render the image of a camera that is focused on the scene behind the drops.

    Args:
        scene: B, H x W x 3 uint8.
        drops: The drops.
        defocus: Radius in pixels of the circle of confusion, for drops out of focus.
        blur: Standard deviation in pixels of the Gaussian blur of drops in focus.

    Returns:
        I = (1 - M) B + R, H x W x 3 float32 in 0..255, and the mask M, H x W float32 in [0, 1].
    """
    height, width = scene.shape[:2]
    background = scene.astype(np.float32)
    covered = np.zeros((height, width), np.float32)
    if not len(drops.x):
        return background, covered
    pixel, owner, rho = _owners(drops, height, width)
    row, column = np.divmod(pixel, width)
    across, below = column - drops.x[owner], row - drops.y[owner]
    away = np.hypot(across, below / drops.stretch[owner])
    radius = drops.radius[owner]
    inside = np.minimum(rho, 1)
    slope = inside * drops.sine[owner]
    turn = drops.distance[owner] * radius * REFRACTIVITY * slope / np.sqrt(1 - slope**2) / np.maximum(away, 1e-3)
    source = np.zeros((2, height * width), np.float32)
    source[:, pixel] = column - turn * across, row - turn * below
    maps = source.reshape(2, height, width)
    refracted = cv2.remap(background, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    inner = refracted.reshape(-1, 3)[pixel]
    light = drops.brightness[owner] * (TOP_LIGHT + (1 - TOP_LIGHT) * (below / (drops.stretch[owner] * radius) + 1) / 2)
    inner += (np.clip(light, 0, 1)[:, None] * (255 - inner)).astype(np.float32)
    spot = np.exp(-((across / (0.35 * radius)) ** 2) - ((below + 0.45 * radius) / (0.25 * radius)) ** 2)
    inner += (255 * drops.highlight[owner] * spot)[:, None].astype(np.float32)
    alpha = np.clip((1 - rho) * radius + 0.5, 0, 1).astype(np.float32)
    image = background
    for sharp in (False, True):
        chosen = drops.sharp[owner] == sharp
        if not chosen.any():
            continue
        layer = np.zeros((height * width, 4), np.float32)
        layer[pixel[chosen], :3] = inner[chosen] * alpha[chosen, None]
        layer[pixel[chosen], 3] = alpha[chosen]
        layer = layer.reshape(height, width, 4)
        # R is blurred together with its mask, so that the scene outside the contour does not leak into it.
        if not sharp and defocus > 0.5:
            layer = cv2.filter2D(layer, -1, _disc(defocus), borderType=cv2.BORDER_REFLECT_101)
        elif sharp and blur > 0:
            layer = cv2.GaussianBlur(layer, (0, 0), blur)
        mask = np.clip(layer[..., 3], 0, 1)
        image = (1 - mask[..., None]) * image + layer[..., :3]
        covered = 1 - (1 - covered) * (1 - mask)
    return image, covered


@TRANSFORMS.register_module()
class RaindropsOnGlass(Degradation):
    """``I = (1 - M) B + R``: drops with mask M in front of the scene B add the refracted light R (Qian et al., 2018).

    **Shape.** A drop is a spherical cap with contact angle theta on the pane (Roser & Geiger, ICCV workshops 2009),
    stretched vertically and with an uneven contour. Drops are placed until they cover the fraction ``coverage`` of the
    image.

    **Refraction.** At the relative radius rho the surface is inclined by alpha, ``tan alpha = rho sin theta / sqrt(1 -
    rho^2 sin^2 theta)``. A thin prism of this angle turns a ray by ``(n - 1) tan alpha`` towards the axis of the drop,
    n = 1.333. With a scene at a distance of d pixels, pixel p shows the scene at ``p - d (n - 1) tan alpha`` times the
    direction from the centre of the drop: an inverted wide-angle image. The bottom of a drop refracts the sky, so it is
    brighter than the scene. The reflection of the sky is a spot in the upper half.

    **Focus.** The camera is focused on the scene. The fraction ``sharp`` of the drops is in focus. For the other drops,
    R and M are convolved with the disc of the aperture, whose radius is ``defocus``. A drop smaller than the disc
    becomes a faint disc; a larger drop keeps its size and gets soft edges.

    Lengths are in pixels of a 512-pixel image, see :mod:`.degradations`. If the image already has drops, more drops are
    added. Writes ``img`` and ``drop_mask``, H x W uint8, 255 M.

    Args:
        coverage: (low, high) of the fraction of the image behind drops, before defocus; below 1.
        radius: (low, high) of the radius of a drop; log-uniform.
        contact: (low, high) of theta in degrees, below 90.
        distance: (low, high) of d in radii of the drop.
        sharp: (low, high) of the fraction of the drops in focus, at most 1.
        defocus: (low, high) of the radius of the circle of confusion; one value per image.
        blur: (low, high) of the standard deviation of the blur of drops in focus; one value per image.
        brightness: (low, high) of the blend towards white at the bottom edge of a drop, at most 1.
        highlight: (low, high) of the brightness that the reflection adds at its centre, in [0, 1] of white.
        seed: See :class:`Degradation`.

    Raises:
        ConfigError: An invalid range.
    """

    def __init__(
        self,
        coverage: Range = (0.02, 0.5),
        radius: Range = (2.7, 32),
        contact: Range = (40, 75),
        distance: Range = (6, 16),
        sharp: Range = (0, 0.15),
        defocus: Range = (3, 10),
        blur: Range = (0.3, 1.2),
        brightness: Range = (0.05, 0.55),
        highlight: Range = (0, 0.4),
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        name = 'RaindropsOnGlass'
        self.coverage = checked_range(coverage, f'{name}: coverage', 0)
        self.radius = checked_range(radius, f'{name}: radius', 0.1)
        self.contact = checked_range(contact, f'{name}: contact', 1)
        self.distance = checked_range(distance, f'{name}: distance', 0)
        self.sharp = checked_range(sharp, f'{name}: sharp', 0, 1)
        self.defocus = checked_range(defocus, f'{name}: defocus', 0)
        self.blur = checked_range(blur, f'{name}: blur', 0)
        self.brightness = checked_range(brightness, f'{name}: brightness', 0, 1)
        self.highlight = checked_range(highlight, f'{name}: highlight', 0)
        for option, (_, high), below in (('coverage', self.coverage, 1), ('contact', self.contact, 90)):
            if high >= below:
                raise ConfigError(f'{name}: {option} must be below {below}, got {high:g}')

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """See :class:`Degradation`; writes ``drop_mask`` as well."""
        image, rng = self.source(results)
        results['img'], mask, drawn = self.render(image, rng)
        earlier = results.get('drop_mask', np.zeros_like(mask))
        results['drop_mask'] = np.rint(255 - (255.0 - earlier) * (255.0 - mask) / 255).astype(np.uint8)
        results['degradations'] = [*results.get('degradations', ()), drawn]
        return results

    def degrade(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """See :class:`Degradation`."""
        rainy, _, drawn = self.render(image, rng)
        return rainy, [drawn]

    def render(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """H x W x 3 uint8 -> the image behind drops, the mask H x W uint8, and the drawn parameters for JSON."""
        height, width = image.shape[:2]
        scale = min(height, width) / REFERENCE_SIDE
        coverage, defocus, blur, sharp = (
            rng.uniform(*bounds) for bounds in (self.coverage, self.defocus, self.blur, self.sharp)
        )
        drops = self.draw(height, width, coverage, sharp, rng)
        rainy, mask = render_drops(image, drops, defocus * scale, blur * scale)
        drawn = {
            'degradation': 'raindrops', 'count': len(drops.x), 'coverage': coverage, 'defocus': defocus, 'blur': blur,
            'sharp': sharp,
        }  # fmt: skip
        rounded = [np.clip(np.rint(values), 0, 255).astype(np.uint8) for values in (rainy, 255 * mask)]
        return rounded[0], rounded[1], drawn

    def draw(self, height: int, width: int, coverage: float, sharp: float, rng: np.random.Generator) -> Drops:
        """Draw drops for an image of this size in pixels."""
        scale = min(height, width) / REFERENCE_SIDE
        low, high = (math.log(bound) for bound in self.radius)
        # Randomly placed discs of total area a cover the fraction 1 - exp(-a) of a unit square.
        wanted = -math.log1p(-coverage) * height * width
        mean_area = math.pi * 1.25 * (scale * math.exp(low)) ** 2
        radius = scale * np.exp(rng.uniform(low, high, math.ceil(wanted / mean_area)))
        stretch = rng.uniform(1.0, 1.5, len(radius))
        area = np.cumsum(math.pi * stretch * radius**2)
        count = int(np.searchsorted(area, wanted))
        sharp_drop = rng.random(count) < sharp
        # Drops in focus come after the others, and in each group large drops after small drops: a later drop covers the
        # drops that it touches.
        order = np.lexsort((radius[:count], sharp_drop))
        radius, stretch, sharp_drop = radius[order], stretch[order], sharp_drop[order]
        return Drops(
            x=rng.uniform(0, width, count),
            y=rng.uniform(0, height, count),
            radius=radius,
            stretch=stretch,
            amplitude=rng.uniform(0, 1, (count, 3)) * WAVINESS / CONTOUR_WAVES,
            phase=rng.uniform(0, 2 * math.pi, (count, 3)),
            sine=np.sin(np.radians(rng.uniform(*self.contact, count))),
            distance=rng.uniform(*self.distance, count),
            brightness=rng.uniform(*self.brightness, count),
            highlight=rng.uniform(*self.highlight, count),
            sharp=sharp_drop,
        )
