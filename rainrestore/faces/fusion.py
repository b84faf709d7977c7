"""Combine a restored face with the photo: remove the rain, keep the photo's detail and colour.

All pictures are float32 in [0, 1], h x w x 3, and maps h x w x c.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from rainrestore.faces.alignment import soft_mask
from rainrestore.labels import NUM_LABELS
from rainrestore.physics import resize

#: T from which on a veil is too thin to be told.
CLEAR = 0.97
#: Width in T over which the correction fades out.
FADE = 0.06
#: Mean of S at which streaks begin to be told, and at which they surely are there.
STREAKS = (0.05, 0.065)
#: Share of the darkest pixels that is noise.
DARKEST = 0.02
#: Least T by which detail is divided.
FLOOR = 0.1
#: The photo's detail is kept whole up to this many times the energy of the restored face's, which is softer.
SOFTER = 3
#: Colours are those of a Gaussian blur of this standard deviation, in sides of the face.
COLOUR = 1 / 8
#: Detail is weighed over windows of this size, in sides of the face.
WINDOW = 1 / 12
#: A parsed face is used if its mean probability and its overlap with the soft shape are at least this.
SURE = 0.6
OVERLAP = 0.5
#: Labels that are no skin, hair or neck: background, necklace, cloth.
AROUND = (0, 16, 18)


@dataclass(frozen=True, eq=False)
class RainEstimate:
    """Rain over a face, as a network sees it (paper eq. 2); J, S and A have three channels or one, T has one."""

    J: np.ndarray
    S: np.ndarray
    T: np.ndarray
    A: np.ndarray

    def bounded(self, seen: np.ndarray) -> 'RainEstimate':
        """The estimate with a veil that is not brighter than the picture: ``(1 - T) A <= I`` in the darkest pixels.

        A network that knows heavy rain only takes clear faces for veiled ones. T is raised to ``1 - I / A`` of the
        darkest pixels, and J is then solved from eq. 2.

        Args:
            seen: I.
        """
        airlight = self.A.mean((0, 1), keepdims=True).clip(min=FLOOR)
        least = 1 - (np.quantile(seen, DARKEST, axis=(0, 1), keepdims=True) / airlight).min()
        if least <= self.T.mean():
            return self
        transmission = np.clip(self.T + (least - self.T.mean()), FLOOR, 1)
        solved = (seen - (1 - transmission) * self.A) / transmission - self.S
        return RainEstimate(solved.clip(0, 1), self.S, transmission, self.A)


@dataclass(frozen=True)
class Decision:
    """The correction of a face.

    Attributes:
        weight: how much of the correction is applied, 0..1; 0 leaves the face as it is.
        keep_colour: whether the photo keeps its colours, since no veil has changed them.
    """

    weight: float
    keep_colour: bool


def decide(rain: RainEstimate, known: float) -> Decision:
    """How far the correction is believed.

    It is believed in a veil of the kind that the network was trained on, and fades out where T rises beyond the largest
    of its training (``known``): what it says there is not to be relied on. It fades out as well where there is neither
    a veil nor streaks. Streaks without a veil count only for a network that was trained on such.
    """
    transmission = float(rain.T.mean())
    streaks = ramp(float(rain.S.mean()), *STREAKS)
    if known < CLEAR - FADE:
        # A thin veil alone does less harm than a wrong T: it has to be surer.
        start = known - (1 - streaks) * FADE
        return Decision(1 - ramp(transmission, start, start + FADE), keep_colour=False)
    veil = 1 - ramp(transmission, CLEAR - FADE, CLEAR)
    return Decision(max(veil, streaks), keep_colour=veil == 0)


def fuse(
    own: np.ndarray, face: np.ndarray, seen: np.ndarray, rain: RainEstimate | None, trust: float, keep_colour: bool
) -> np.ndarray:
    """A face of N x N pixels from the photo's own picture of it and from the network's.

    Below the network's size, low frequencies: J, or that mixed with the restored face H. Above it the photo's detail D
    over T, weighed against that of H as by Wiener: ``g D / T + (1 - g) D_H`` with ``g = 3 E[D_H^2] / E[(D / T)^2]``, at
    most 1, over windows. So detail much stronger than a face's own, which is rain, is replaced.

    Args:
        own: N x N x 3, cut from the photo.
        face: H, m x m x 3.
        seen: I, n x n x 3, the input of the network.
        rain: at n x n; None where there is none: H is then below n x n, and the photo's detail above.
        trust: part of H in the low frequencies beside J, 0..1.
        keep_colour: take the lowest frequencies from the photo.
    """
    size, least = own.shape[0], seen.shape[0]
    shrunk, large = resize(face, least, least), resize(face, size, size)
    drawn = large - resize(shrunk, size, size)
    if rain is None:
        # A face that is smaller than the network's has no detail above.
        result = large if size <= least else resize(shrunk, size, size) + own - resize(seen, size, size)
    else:
        detail = (own - resize(seen, size, size)) / resize(rain.T, size, size).clip(min=FLOOR)
        gain = _gain(drawn, detail)
        low = resize(rain.J + np.float32(trust) * (shrunk - rain.J), size, size)
        result = low + gain * detail + (1 - gain) * drawn
    if keep_colour:
        sigma = COLOUR * size
        result = result + cv2.GaussianBlur(own, (0, 0), sigma) - cv2.GaussianBlur(result, (0, 0), sigma)
    return result.clip(0, 1)


def face_mask(parsing: np.ndarray | None, size: int) -> np.ndarray:
    """Where a restored face is shown, size x size float32 in 0..1: its skin and hair, or a soft shape.

    Args:
        parsing: probabilities of the 19 labels, n x n x 19; anything else is no parsing.
        size: of the crop.
    """
    shape = soft_mask(size)
    if parsing is None or parsing.shape[2] != NUM_LABELS:
        return shape
    face = 1 - parsing[..., AROUND].sum(-1)
    prior = soft_mask(face.shape[0])
    overlap = np.minimum(face, prior).sum() / np.maximum(face, prior).sum()
    if parsing.max(-1).mean() < SURE or overlap < OVERLAP:
        return shape
    found = resize(face[..., None].astype(np.float32), size, size)[..., 0]
    # Wider than the face, so that its edge is inside, and soft.
    wide = cv2.dilate(found, np.ones((3, 3), np.uint8), iterations=max(round(size * COLOUR / 8), 1))
    return shape * cv2.GaussianBlur(wide, (0, 0), max(size * COLOUR / 4, 0.5)).clip(0, 1)


def _gain(drawn: np.ndarray, detail: np.ndarray) -> np.ndarray:
    sigma = max(WINDOW * detail.shape[0], 1)
    signal, power = (cv2.GaussianBlur((part**2).mean(-1), (0, 0), sigma) for part in (drawn, detail))
    return np.clip(SOFTER * signal / (power + 1e-8), 0, 1)[..., None]


def ramp(value: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high`` on, linear between them."""
    return min(max((value - low) / (high - low), 0.0), 1.0)
