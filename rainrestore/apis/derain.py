"""Remove the rain from a whole photo, in overlapping tiles of the network's training size."""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from rainrestore.apis.inputs import to_image
from rainrestore.apis.tiles import blend_tiles
from rainrestore.arguments import checked
from rainrestore.faces import FaceCrop, cut
from rainrestore.faces.fusion import CLEAR, FLOOR, SceneRain, is_grey, ramp
from rainrestore.physics import quantise, resize

#: Distance between tiles, as a fraction of the side of a tile.
STEP = 0.75
#: Batch size, in tiles. With 64 on a CPU, a photo of 12 megapixels took 1.4 to 1.7 times as much CPU time.
BATCH = 16
#: A photo with more pixels is shrunk for the network.
MAX_PIXELS = 2_000_000
#: Fraction of the veil that is removed (He, Sun & Tang 2009); some haze is kept as a depth cue.
REMOVED = 0.95
#: Longer side in pixels of the copy in which the darkest pixels are searched, and side of the window as a fraction.
COPY = 128
WINDOW = 0.4
#: Mean S of a scene below which predicted streaks are ignored, and above which they are fully removed.
STREAKS = (0.03, 0.05)
#: Coherence of S below which it is noise, and above which it has the common direction of streaks.
COHERENCE = (0.32, 0.42)
#: Mean T below which there is a veil, and above which there is none: from the dark channel, and from the network.
DARK_CLEAR = (0.9, 0.935)
NETWORK_CLEAR = (0.96, 0.99)
#: Mean 1 - T of the network above which A is taken from the dark channel, too, and from which with the weight PRIOR.
DENSE = (0.2, 0.5)
PRIOR = 0.8
#: Mean to which a dark photo is brightened for the network, and fraction of its values that may saturate.
BRIGHT = 0.45
SATURATED = 0.01
#: Mean T above which a veil is thin: a bright scene without black in clear air looks the same.
THIN = 0.8
#: Text of a note.
NOTHING_SEEN = 'no detectable veil or streaks'


class RainRemoval(Protocol):
    """The part of a :class:`~rainrestore.apis.Restorer` that removes rain.

    Attributes:
        predicts: The predicted maps, by their symbols in the paper.
        size: Side of the training images in pixels.
        known_transmission: The largest T in the training.
        estimates_rain: Whether S, T and A were supervised in the training.
    """

    predicts: frozenset[str]
    size: int
    known_transmission: float
    estimates_rain: bool

    def remove_rain(self, tiles: np.ndarray, derained: bool = True) -> dict[str, np.ndarray]:
        """N x h x w x 3 float32 in [0, 1] -> symbol of a predicted map -> N x h x w x c float32.

        J may be missing if ``derained`` is false.
        """


@dataclass(frozen=True, eq=False)
class Derained:
    """A whole photo without rain.

    Attributes:
        photo: J, H x W x 3 uint8.
        transmission: Mean of T.
        rain: The estimated rain of the photo, or of its smaller copy; None for a network for faces.
    """

    photo: np.ndarray
    transmission: float
    rain: SceneRain | None = None

    def rain_over(self, crop: FaceCrop) -> SceneRain | None:
        """The estimated rain over a crop, in its size."""
        if self.rain is None:
            return None
        # The maps may be those of a smaller copy of the photo.
        shrink = self.rain.streaks.shape[0] / self.photo.shape[0]
        smaller, size = crop.scaled(shrink), max(round(crop.side), 1)
        maps = self.rain.streaks, self.rain.transmission
        streaks, transmission = (resize(np.atleast_3d(cut(part, smaller)), size, size) for part in maps)
        return replace(self.rain, streaks=streaks, transmission=transmission)

    def with_transmission(self, change: float) -> 'Derained':
        """J for another mean T, in haze without streaks.

        The veil V = (1 - T) A was measured. J = (I - V) / T, therefore J' = J T / T'. ``rain`` remains the estimate of
        the scene.

        Args:
            change: Mean of T' - T.
        """
        if self.rain is None or not change:
            return self
        height, width = self.photo.shape[:2]
        other = (self.rain.transmission + np.float32(change)).clip(FLOOR, 1)
        ratio = resize(self.rain.transmission, height, width) / resize(other, height, width)
        photo = np.empty_like(self.photo)
        for channel in (slice(0, 1), slice(1, 2), slice(2, 3)):
            photo[..., channel] = quantise(self.photo[..., channel] / np.float32(255) * ratio)
        return replace(self, photo=photo, transmission=float(other.mean()))


@checked
def derain(restorer: RainRemoval, photo: np.ndarray) -> np.ndarray | None:
    """J of a whole photo, the scene without rain and veil (paper eq. 2); see :func:`derained`.

    Args:
        restorer: The network.
        photo: H x W x 3 RGB, uint8 or floating point in [0, 1].

    Returns:
        H x W x 3 uint8; None if the network does not predict J and T.

    Raises:
        ArgumentError: An argument of another type.
        ImageError: The photo has another shape, another type of pixels, or values outside [0, 1].
    """
    image = to_image(photo, 'the photo')
    return derained(restorer, image).photo if removes_rain(restorer) else None


def derained(restorer: RainRemoval, photo: np.ndarray) -> Derained:
    """Remove the rain and the veil from a whole photo (paper eq. 2).

    A network is trained with images of one size, with one A per image. Therefore the photo is cut into tiles of this
    size, and the maps of the tiles are blended. For a network for faces, the result is the predicted J. (On generated
    scenes of 320x240, its PSNR is 1 to 3 dB higher than without tiles. The rain model inverted with the blended S, T
    and A is 1 to 2 dB worse.) For a network that was also trained without haze, see :func:`_scene`.

    A photo of more than 2 million pixels is shrunk first. The lost detail, divided by T, is added to the enlarged J:
    it is the detail of J + S, because T and A are smooth.

    Args:
        restorer: The network; it predicts J and T (:func:`removes_rain`).
        photo: H x W x 3, uint8 or float32 in [0, 1].
    """
    height, width = photo.shape[:2]
    shrink = max(1.0, math.sqrt(height * width / MAX_PIXELS))
    size = max(round(height / shrink), 1), max(round(width / shrink), 1)
    small = resize(photo, *size)
    rain = None
    if restorer.estimates_rain and restorer.known_transmission >= CLEAR:
        lr, rain = _scene(restorer, small)
        transmission = rain.transmission
    else:
        lr, transmission = rain_maps(restorer, small, 'J', 'T')
    mean = float(transmission.mean())
    if shrink == 1:
        return Derained(quantise(lr), mean, rain)
    clear = np.empty(photo.shape, np.uint8)
    # Channel by channel: a large photo in float32 would take gigabytes.
    thickness = resize(transmission, height, width).clip(min=FLOOR)
    for channel in (slice(0, 1), slice(1, 2), slice(2, 3)):
        detail = photo[..., channel] / np.float32(255 if photo.dtype == np.uint8 else 1)
        detail -= resize(small[..., channel], height, width)
        detail /= thickness
        detail += resize(lr[..., channel], height, width)
        clear[..., channel] = quantise(detail)
    return Derained(clear, mean, rain)


def scene_notes(photo: np.ndarray, result: Derained) -> tuple[str, ...]:
    """Notes on a result of :func:`derained`; ``photo`` is its input, H x W x 3 uint8."""
    if np.array_equal(photo, result.photo):
        return (f'shows {NOTHING_SEEN}, and was not changed',)
    if result.transmission == 1:
        return ()
    kind = 'thin veil' if result.transmission > THIN else 'veil' if is_grey(photo / np.float32(255)) else None
    remedy = 'if the air was clear, use the input instead'
    return (f'a {kind} was removed (mean T = {result.transmission:.2f}); {remedy}',) if kind else ()


def removes_rain(restorer: RainRemoval) -> bool:
    """Whether the network predicts J and T."""
    return {'J', 'T'} <= restorer.predicts


def rain_maps(restorer: RainRemoval, image: np.ndarray, *names: str) -> list[np.ndarray]:
    """Maps of the rain model for a whole image (paper eq. 2), blended from tiles, each H x W x c.

    Args:
        restorer: A network that predicts the maps.
        image: H x W x 3 float32 in [0, 1].
        names: Symbols of the maps, such as ``'J'`` and ``'T'``.
    """

    def predict(tiles: np.ndarray) -> list[np.ndarray]:
        found = restorer.remove_rain(tiles, derained='J' in names)
        return [found[name] for name in names]

    return blend_tiles(predict, image, restorer.size, round(STEP * restorer.size), BATCH)


def _scene(restorer: RainRemoval, image: np.ndarray) -> tuple[np.ndarray, SceneRain]:
    """J and the estimated rain of a scene; J equals the input if there is neither a veil nor streaks.

    In a tile, the network cannot distinguish a bright wall from haze. T is therefore estimated from the whole scene by
    the dark channel prior (He, Sun & Tang 2009): ``T = 1 - 0.95 D / A``, where D is the least channel of I - T^3 S over
    a wide window. (T S would be exact, but behind a dense veil the estimated S is too large in dark pixels.) In a grey
    image, in which every grey pixel may be veiled black, T is at least that of the network. The network predicts S,
    whose channels are averaged because rain is grey, and A is one grey level (:func:`_airlight`). Then eq. 2 is solved
    for J.

    For a dark image I, the input of the network is g I with an exposure g above 1. Eq. 2 is valid for g I, g J, g S
    and g A.
    """
    gain = _exposure(image)
    scene = gain * image
    streaks, local, airlights = rain_maps(restorer, np.minimum(scene, 1), 'S', 'T', 'A')
    streaks[:] = streaks.mean(-1, keepdims=True)
    certain = ramp(float(streaks.mean()), *STREAKS) * ramp(_coherence(streaks), *COHERENCE)
    streaks *= np.float32(certain)
    dark = _dark_channel((scene - local**3 * streaks).clip(min=0))
    airlight = _airlight(local, airlights, float(dark.mean()))
    transmission = 1 - np.float32(REMOVED / airlight) * dark
    if is_grey(scene):
        transmission += max(local.mean() - transmission.mean(), 0)
    # A veil is removed only if both the dark channel and the network indicate it.
    clear_air = max(ramp(float(transmission.mean()), *DARK_CLEAR), ramp(float(local.mean()), *NETWORK_CLEAR))
    transmission = (1 - np.float32(1 - clear_air) * (1 - transmission)).clip(FLOOR, 1)
    clear = ((scene - (1 - transmission) * np.float32(airlight)) / transmission - streaks) / gain
    return clear.clip(0, 1), SceneRain(local * streaks / gain, certain, transmission, airlight / float(gain))


def _airlight(transmission: np.ndarray, airlights: np.ndarray, dark: float) -> float:
    """A of a scene, one grey level.

    The network underestimates a bright A. Its A, averaged with the veil as weight, is the lower bound. In a dense veil,
    A is mostly that of the dark channel and the T of the network: ``A = 0.95 D / (1 - T)``.

    Args:
        transmission: T of the network, h x w x 1.
        airlights: A of the network, h x w x c.
        dark: Mean of D.
    """
    veil = np.square(1 - transmission)
    predicted = max(float((veil * airlights).mean() / veil.mean()), FLOOR)
    density = 1 - float(transmission.mean())
    weight = PRIOR * ramp(density, *DENSE)
    return predicted + weight * max(min(REMOVED * dark / density, 1) - predicted, 0) if weight else predicted


def _exposure(image: np.ndarray) -> np.float32:
    """The factor >= 1 that brightens a dark image."""
    white = float(np.quantile(image, 1 - SATURATED))
    return np.float32(max(min(BRIGHT / max(float(image.mean()), FLOOR / 4), 1 / max(white, FLOOR / 4)), 1))


def _coherence(image: np.ndarray) -> float:
    """Coherence of the mean structure tensor (Jaehne 1993), 0..1: 0 for noise, 1 for parallel lines."""
    down, across = np.gradient(image.mean(-1)) if min(image.shape[:2]) > 1 else (np.zeros(1), np.zeros(1))
    first, second, mixed = (across**2).mean(), (down**2).mean(), (across * down).mean()
    return float(np.hypot(first - second, 2 * mixed) / max(first + second, 1e-12))


def _dark_channel(image: np.ndarray) -> np.ndarray:
    """The least channel of an image over a wide window, smoothed, H x W x 1."""
    height, width = image.shape[:2]
    ratio = min(COPY / max(height, width), 1)
    size = max(round(width * ratio), 1), max(round(height * ratio), 1)
    copy = cv2.resize(image.min(-1), size, interpolation=cv2.INTER_AREA)
    window = round(WINDOW * max(size)) | 1
    least = cv2.erode(copy, np.ones((window, window), np.uint8), borderType=cv2.BORDER_REFLECT)
    return cv2.resize(cv2.GaussianBlur(least, (0, 0), window / 3), (width, height))[..., None]
