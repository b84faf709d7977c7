"""Combine a restored face with the photo: remove the rain, and keep the detail and the colours of the photo.

All images are float32 in [0, 1], h x w x 3, and maps h x w x c.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from rainrestore.faces.alignment import soft_mask
from rainrestore.labels import NUM_LABELS
from rainrestore.physics import invert, resize

#: Above this T there is no detectable veil.
CLEAR = 0.97
#: Width of the range of T in which the weight of the correction falls from 1 to 0.
FADE = 0.06
#: Mean T below which a veil is removed, and above which it is kept, for a network that was trained with clear air.
VEIL = (0.67, 0.72)
#: Mean S below which the streaks estimated by this network are ignored, and above which they are removed.
CERTAIN_STREAKS = (0.068, 0.09)
#: Mean S below which predicted streaks are ignored, and above which they are certain.
STREAKS = (0.05, 0.065)
#: Two estimates of the mean T agree up to this difference. Above HEAVY, rain is not heavy.
AGREEMENT = 0.12
HEAVY = 0.66
#: Two estimates of the mean T below this value both show a dense veil.
DENSE = 0.6
#: Estimates of the mean T above this value do not confirm a thin veil: a clear face may have them.
CONFIRMED = 0.88
#: Noise level divided by T of faces without noise and JPEG. With noise it is higher, with JPEG lower.
NATURAL = (0.0135, 0.045)
#: Noise level divided by T at which compression, and noise, are certain.
COMPRESSED = 0.01
NOISY = 0.065
#: Weight of the restored face, relative to J, in the low frequencies of a compressed face.
COMPRESSED_TRUST = 0.5
#: Mean difference of the largest and the smallest channel below which an image is grey.
GREY = 0.01
#: Fraction of the darkest pixels that counts as noise.
DARKEST = 0.02
#: Lower bound of the divisor T.
FLOOR = 0.1
#: The detail of the photo is fully kept up to this multiple of the energy of the restored detail, which is softer.
SOFTER = 3
#: Standard deviation of the Gaussian blur that separates colours, as a fraction of the side of the face.
COLOUR = 1 / 8
#: Standard deviation of the window for the energy of the detail, as a fraction of the side of the face.
WINDOW = 1 / 12
#: Least mean probability of a parsed face, and its least overlap with the soft shape, to use it as a mask.
SURE = 0.6
OVERLAP = 0.5
#: Labels outside of skin, hair and neck: background, necklace, cloth.
AROUND = (0, 16, 18)


@dataclass(frozen=True, eq=False)
class RainEstimate:
    """The estimated rain over a face (paper eq. 2); J, S and A have three channels or one, T has one."""

    J: np.ndarray
    S: np.ndarray
    T: np.ndarray
    A: np.ndarray

    def bounded(self, rainy: np.ndarray) -> 'RainEstimate':
        """Bound the veil by the darkest pixels of the image: ``(1 - T) A <= I``.

        A network that was trained with heavy rain only predicts a veil on clear faces, too. T is raised to
        ``1 - I / A`` of the darkest pixels, and eq. 2 is solved for J.

        Args:
            rainy: I.
        """
        airlight = self.A.mean((0, 1), keepdims=True).clip(min=FLOOR)
        least = 1 - (np.quantile(rainy, DARKEST, axis=(0, 1), keepdims=True) / airlight).min()
        if least <= self.T.mean():
            return self
        transmission = np.clip(self.T + (least - self.T.mean()), FLOOR, 1)
        return RainEstimate(invert(rainy, self.S, transmission, self.A, FLOOR), self.S, transmission, self.A)

    def without_streaks(self, rainy: np.ndarray) -> 'RainEstimate':
        """The estimate in haze alone: S = 0, and J has the detail of the solution of eq. 2, ``(I - (1 - T) A) / T``.

        The network was trained with streaks and draws part of the detail of J anew; the solution keeps the detail of
        I. The low frequencies of J are those of the network, because an error of T or A changes those of the solution.

        Args:
            rainy: I.
        """
        streaks = np.zeros_like(self.S)
        solved = invert(rainy, streaks, self.T, self.A, FLOOR)
        low = cv2.GaussianBlur(self.J - solved, (0, 0), COLOUR * rainy.shape[0])
        return RainEstimate((solved + low).clip(0, 1), streaks, self.T, self.A)

    def keeping_veil(self, rainy: np.ndarray, kept: float) -> 'RainEstimate':
        """The estimate if a fraction k of the veil belongs to the scene; it fulfils eq. 2 as well as this one.

        ``J_k = J + k (I - T S - J)``, ``T_k = T / (1 - k (1 - T))`` and ``S_k = T S / T_k``.

        Args:
            rainy: I.
            kept: k in 0..1; with 1, only the streaks are rain.
        """
        if kept == 0:
            return self
        share = np.float32(kept)
        lr = self.J + share * ((rainy - self.T * self.S).clip(0, 1) - self.J)
        transmission = self.T / (1 - share * (1 - self.T))
        return RainEstimate(lr, self.T * self.S / transmission, transmission, self.A)


@dataclass(frozen=True, eq=False)
class SceneRain:
    """The rain of a whole scene, or of a part of it.

    Attributes:
        streaks: T S in the resolution of the image, h x w x 3; 0 if no streaks are certain.
        certain: Certainty of the streaks, 0..1.
        transmission: T, h x w x 1.
        airlight: A, one grey level.
    """

    streaks: np.ndarray
    certain: float
    transmission: np.ndarray
    airlight: float


@dataclass(frozen=True)
class Decision:
    """The correction of a face.

    Attributes:
        veil: Fraction of the veil to remove, 0..1.
        streaks: Fraction of the streaks to remove, 0..1.
    """

    veil: float
    streaks: float

    @property
    def weight(self) -> float:
        """Weight of the correction, 0..1; with 0 the face is not changed."""
        return max(self.veil, self.streaks)

    @property
    def keep_colour(self) -> bool:
        """Whether to keep the colours of the photo, because there is no veil."""
        return self.veil == 0


def decide(rain: RainEstimate, known: float) -> Decision:
    """Decide on the correction of a face.

    A veil inside of the training range of the network is removed. The correction falls to 0 if T is above the largest T
    of the training, because the estimate is unreliable there. For a network that was trained with clear air, the veil
    and the streaks are decided on separately.

    Args:
        rain: The estimated rain.
        known: The largest T in the training of the network.
    """
    transmission = float(rain.T.mean())
    if not knows_clear_air(known):
        # Without streaks the threshold is lower, because a wrong T does more harm than a thin veil.
        start = known - (1 - ramp(float(rain.S.mean()), *STREAKS)) * FADE
        weight = 1 - ramp(transmission, start, start + FADE)
        return Decision(weight, weight)
    veil = 1 - ramp(transmission, *VEIL)
    return Decision(veil, max(veil, ramp(float(rain.S.mean()), *CERTAIN_STREAKS)))


def knows_clear_air(known: float) -> bool:
    """Whether a network was trained with clear air; ``known`` is the largest T in its training."""
    return known >= CLEAR - FADE


def with_scene(
    rain: RainEstimate, decision: Decision, scene: SceneRain, rainy: np.ndarray
) -> tuple[RainEstimate, Decision]:
    """Correct the estimate for a face, and the decision on it, with the rain of the scene around it.

    A single face hardly shows a thin veil, and faint streaks vanish in the small input of the network. The scene shows
    both. A thin veil is removed if the scene has the same veil (:func:`same_veil`), with the larger T and the mean A of
    both estimates. Streaks are as certain as in the more certain estimate. They are those of the face if its estimate
    shows any, because they are more accurate there, else those of the scene. A heavy veil without streaks in both
    estimates is haze alone (:meth:`RainEstimate.without_streaks`).

    Args:
        rain: The estimate for the face, n x n, of a network that was trained with clear air.
        decision: The result of :func:`decide` for it.
        scene: The rain of the scene over the face.
        rainy: I, n x n x 3.
    """
    if decision.veil == 1 and scene.certain == 0 and float(rain.S.mean()) < STREAKS[0]:
        return rain.without_streaks(rainy), decision
    size = rainy.shape[0]
    certain = max(decision.streaks, scene.certain)
    # T S: the streaks as the camera sees them, through the veil.
    streaks = rain.T * rain.S * np.float32(certain) if decision.streaks else resize(scene.streaks, size, size)
    if decision.veil < 1 and same_veil(rain, scene, rainy):
        thinner = float(scene.transmission.mean() - rain.T.mean())
        transmission = (rain.T + np.float32(max(thinner, 0))).clip(FLOOR, 1)
        airlight = (rain.A + np.float32(scene.airlight)) / 2
        streaks = streaks / transmission
        solved = invert(rainy, streaks, transmission, airlight, FLOOR)
        return RainEstimate(solved, streaks, transmission, airlight), Decision(1.0, 1.0)
    if decision.veil == 0 and scene.certain > decision.streaks:
        clear = np.ones_like(rain.T)
        return RainEstimate((rainy - streaks).clip(0, 1), streaks, clear, rain.A), Decision(0.0, certain)
    return rain, decision


def same_veil(rain: RainEstimate, scene: SceneRain, rainy: np.ndarray) -> bool:
    """Whether the estimates for a face and for the scene around it show a veil of nearly the same T, or a dense veil.

    False for a grey image: its T is too uncertain, because every grey pixel may be veiled black.

    Args:
        rain: The estimate for the face.
        scene: The rain of the scene over the face.
        rainy: I, n x n x 3.
    """
    own, around = float(rain.T.mean()), float(scene.transmission.mean())
    agree = abs(around - own) < AGREEMENT and max(around, own) < CONFIRMED
    return (agree or max(around, own) < DENSE) and not is_grey(rainy)


def combine(general: RainEstimate, heavy: RainEstimate, rainy: np.ndarray) -> RainEstimate:
    """The estimate of a network for heavy rain if it is reliable, otherwise that of a network for any rain.

    The network for heavy rain is more accurate on rain of its training, but wrong in thin rain, noise and JPEG. It is
    reliable if both networks estimate nearly the same heavy veil, and the image has the fine detail of a face.

    Args:
        general: The estimate of the network for any rain.
        heavy: The estimate of the network for heavy rain.
        rainy: I.
    """
    transmission = float(general.T.mean())
    agree = abs(transmission - float(heavy.T.mean())) < AGREEMENT and transmission < HEAVY
    return heavy if agree and NATURAL[0] < noise_level(rainy) / transmission < NATURAL[1] else general


def trust_in(rain: RainEstimate, rainy: np.ndarray) -> float:
    """Weight of the restored face, relative to J, in the low frequencies.

    0 for a face without noise and JPEG. Dividing by T amplifies both in J; a network that was trained with them removes
    them from the restored face.

    Args:
        rain: The estimate for the face.
        rainy: I.
    """
    noise = noise_level(rainy) / float(rain.T.mean())
    return max(ramp(noise, NATURAL[1], NOISY), COMPRESSED_TRUST * (1 - ramp(noise, COMPRESSED, NATURAL[0])))


def is_grey(image: np.ndarray) -> bool:
    """Whether an h x w x 3 float image has no colours."""
    return bool((image.max(-1) - image.min(-1)).mean() < GREY)


def noise_level(image: np.ndarray) -> float:
    """Standard deviation of the noise of an h x w x 3 image (Immerkaer 1996).

    The filter has no response to constant, linear and axis-parallel structures, such as falling streaks.
    """
    response = cv2.filter2D(image, -1, np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32))[1:-1, 1:-1]
    return float(math.sqrt(math.pi / 2) / 6 * np.abs(response).mean())


def without_fine_streaks(own: np.ndarray, streaks: np.ndarray, size: int) -> np.ndarray:
    """Subtract the streaks that are finer than a pixel of an image of size x size.

    Args:
        own: The crop of the photo, N x N x 3.
        streaks: T S over it, N x N x 3.
        size: Side of the input of the network, which removes the coarser streaks.
    """
    side = own.shape[0]
    return own - (streaks - resize(resize(streaks, size, size), side, side))


def fuse(
    own: np.ndarray, face: np.ndarray, rainy: np.ndarray, rain: RainEstimate | None, trust: float, keep_colour: bool
) -> np.ndarray:
    """Fuse a crop of the photo and the restored face to a face of N x N pixels.

    Low frequencies, up to the size of the network's input: J, mixed with the restored face H. High frequencies: the
    detail D of the photo divided by T, and the detail D_H of H, with a Wiener-like gain g: ``g D / T + (1 - g) D_H``
    with ``g = min(1, 3 E[D_H^2] / E[(D / T)^2])`` over local windows. Detail that is much stronger than in a restored
    face is rain and is replaced.

    Args:
        own: N x N x 3, the crop of the photo.
        face: H, m x m x 3.
        rainy: I, n x n x 3, the input of the network.
        rain: The rain estimate, n x n. None: low frequencies from H, high frequencies from the photo.
        trust: Weight of H, relative to J, in the low frequencies, 0..1.
        keep_colour: Whether to take the lowest frequencies from the photo, without the streaks.
    """
    size, least = own.shape[0], rainy.shape[0]
    shrunk, large = resize(face, least, least), resize(face, size, size)
    restored = large - resize(shrunk, size, size)
    if rain is None:
        # A crop that is not larger than the input of the network has no further detail.
        result = large if size <= least else resize(shrunk, size, size) + own - resize(rainy, size, size)
    else:
        detail = (own - resize(rainy, size, size)) / resize(rain.T, size, size).clip(min=FLOOR)
        gain = _gain(restored, detail)
        low = resize(rain.J + np.float32(trust) * (shrunk - rain.J), size, size)
        result = low + gain * detail + (1 - gain) * restored
    if keep_colour:
        sigma = COLOUR * size
        kept = own if rain is None else own - resize(rain.T * rain.S, size, size)
        result = result + cv2.GaussianBlur(kept, (0, 0), sigma) - cv2.GaussianBlur(result, (0, 0), sigma)
    return result.clip(0, 1)


def shows_face(parsing: np.ndarray | None) -> bool | None:
    """Whether probabilities of the 19 labels, n x n x 19, are those of a face; None without such probabilities."""
    if parsing is None or parsing.shape[2] != NUM_LABELS:
        return None
    face = 1 - parsing[..., AROUND].sum(-1)
    prior = soft_mask(face.shape[0])
    overlap = np.minimum(face, prior).sum() / np.maximum(face, prior).sum()
    return bool(parsing.max(-1).mean() >= SURE and overlap >= OVERLAP)


def face_mask(parsing: np.ndarray | None, size: int) -> np.ndarray:
    """The weights of a restored face, size x size float32 in 0..1: its skin and hair, or a soft shape.

    Args:
        parsing: Probabilities of the 19 labels, n x n x 19. With None, or without a face, the soft shape is used.
        size: Side of the crop in pixels.
    """
    shape = soft_mask(size)
    if parsing is None or not shows_face(parsing):
        return shape
    face = 1 - parsing[..., AROUND].sum(-1)
    found = resize(face[..., None].astype(np.float32), size, size)[..., 0]
    # Dilated to include the edge of the face, and blurred.
    wide = cv2.dilate(found, np.ones((3, 3), np.uint8), iterations=max(round(size * COLOUR / 8), 1))
    return shape * cv2.GaussianBlur(wide, (0, 0), max(size * COLOUR / 4, 0.5)).clip(0, 1)


def _gain(restored: np.ndarray, detail: np.ndarray) -> np.ndarray:
    sigma = max(WINDOW * detail.shape[0], 1)
    signal, power = (cv2.GaussianBlur((part**2).mean(-1), (0, 0), sigma) for part in (restored, detail))
    return np.clip(SOFTER * signal / (power + 1e-8), 0, 1)[..., None]


def ramp(value: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high``, linear in between."""
    return min(max((value - low) / (high - low), 0.0), 1.0)
