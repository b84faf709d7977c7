"""Track faces from frame to frame, smooth their crops, and average the restored faces."""

import base64
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from rainrestore.arguments import checked
from rainrestore.faces.alignment import FaceCrop, soft_mask
from rainrestore.faces.detection import DetectedFace
from rainrestore.physics import quantise, resize

#: One Euro filter, in hertz: cutoff for a face at rest, increase per crop side (or radian) per second, and cutoff for
#: the speed.
MIN_CUTOFF = 1.0
CUTOFF_PER_SPEED = 8.0
SPEED_CUTOFF = 1.0

#: Two detections are the same face if the centre moves by less than this fraction of the side, and the side changes by
#: less than this factor.
MAX_MOVE = 0.5
MAX_SCALE = 1.6
#: Below this distance, as a fraction of the side, two detections in one frame are one face that was found twice: the
#: search around a lost face also finds its neighbour.
DOUBLE = 0.25

#: Side of the images for registration in pixels, and least correlation of registered images.
REGISTERED = 64
LEAST_CORRELATION = 0.7


class FaceTracker:
    """Tracks faces in a video and smooths each crop with the One Euro filter (Casiez et al. 2012).

    Centre, logarithm of the side and angle are averaged exponentially, with a cutoff frequency that increases with the
    speed. This removes jitter of a face at rest without lag of a moving face. A lost face keeps its position for
    ``hold`` seconds.

    Args:
        hold: Seconds.
    """

    @checked
    def __init__(self, hold: float = 0.3) -> None:
        self.hold = hold
        self.count = 0
        self.tracks: list[_Track] = []

    def update(self, found: Sequence[DetectedFace], seconds: float) -> None:
        """Update the tracks with the faces of the next frame, ``seconds`` (above 0) after the previous frame.

        Tracks and faces are matched greedily by distance. Unmatched faces start new tracks. A face that was found twice
        counts once.
        """
        found = _without_doubles(found)
        pairs = sorted(
            (distance, place, number)
            for place, track in enumerate(self.tracks)
            for number, face in enumerate(found)
            if (distance := _distance(track.crop, face.crop)) < MAX_MOVE
        )
        matched: dict[int, int] = {}
        for _, place, number in pairs:
            if place not in matched and number not in matched.values():
                matched[place] = number
        for place, track in enumerate(self.tracks):
            if place in matched:
                track.take(found[matched[place]], seconds)
            else:
                track.missed += seconds
        self.tracks = [track for track in self.tracks if track.missed <= self.hold]
        for number, face in enumerate(found):
            if number not in matched.values():
                self.tracks.append(_Track(self.count, face.score, _values(face.crop)))
                self.count += 1

    def faces(self) -> list[DetectedFace]:
        """The smoothed faces of the current frame, in the order of their first appearance."""
        return [DetectedFace(track.crop, track.score, held=track.missed > 0) for track in self.tracks]

    def numbers(self) -> list[int]:
        """An identifier in the video for each of :meth:`faces`."""
        return [track.number for track in self.tracks]

    def forget(self) -> None:
        """Remove all tracks, for example after a cut."""
        self.tracks = []

    def state(self) -> dict[str, Any]:
        """The state between frames, JSON-serialisable and exact."""
        tracks = [
            {**vars(track), 'values': track.values.tolist(), 'speed': track.speed.tolist()} for track in self.tracks
        ]
        return {'tracks': tracks, 'count': self.count}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restore a result of :meth:`state`."""
        self.count = state['count']
        self.tracks = [
            _Track(**{**entry, 'values': np.array(entry['values']), 'speed': np.array(entry['speed'])})
            for entry in state['tracks']
        ]


class FaceAverage:
    """The exponential average of each restored face, with a time constant of ``blend`` seconds.

    Rain, and with it the errors of the network, changes from frame to frame, while the aligned face hardly changes. The
    average is registered to each new face (ECC with rotation and translation, Evangelidis & Psarakis 2008) to remove
    remaining errors of the alignment, which would blur the average.

    Args:
        blend: Time constant in seconds, 0 for no average.
    """

    @checked
    def __init__(self, blend: float = 0.12) -> None:
        self.blend = blend
        self.shown: dict[int, np.ndarray] = {}

    def keep(self, numbers: Collection[int]) -> None:
        """Remove the averages of all other faces."""
        self.shown = {number: pixels for number, pixels in self.shown.items() if number in numbers}

    def __call__(self, number: int, restored: np.ndarray, seconds: float) -> np.ndarray:
        """Average a restored face with the previous ones; called once per frame.

        Args:
            number: Identifier of the face.
            restored: n x n x 3 uint8.
            seconds: Time since the previous frame.
        """
        pixels = restored / np.float32(255)
        before = self.shown.get(number)
        if before is not None and self.blend > 0:
            # The size of the restored face changes with the size of a small crop.
            before = before if before.shape == pixels.shape else resize(before, *pixels.shape[:2])
            before = _registered(before, pixels)
            pixels = before + np.float32(1 - math.exp(-seconds / self.blend)) * (pixels - before)
        self.shown[number] = pixels
        return quantise(pixels)

    def state(self) -> dict[str, Any]:
        """The state between frames, JSON-serialisable and exact."""
        return {str(number): _to_text(pixels) for number, pixels in self.shown.items()}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restore a result of :meth:`state`."""
        self.shown = {int(number): _from_text(text) for number, text in state.items()}


@dataclass
class _Track:
    """One face: x, y, log side and angle in radians, their smoothed speeds, and the time since the last detection."""

    number: int
    score: float
    values: np.ndarray
    speed: np.ndarray = field(default_factory=lambda: np.zeros(4))
    missed: float = 0.0

    @property
    def crop(self) -> FaceCrop:
        x, y, log_side, angle = self.values.tolist()
        return FaceCrop(x, y, math.exp(log_side), math.degrees(angle))

    def take(self, face: DetectedFace, seconds: float) -> None:
        change = _values(face.crop) - self.values
        # The difference of angles modulo 360 degrees.
        change[3] = math.remainder(change[3], 2 * math.pi)
        seconds += self.missed
        unit = np.array([self.crop.side, self.crop.side, 1, 1])
        self.speed += _weight(np.float64(SPEED_CUTOFF), seconds) * (change / unit / seconds - self.speed)
        self.values += _weight(MIN_CUTOFF + CUTOFF_PER_SPEED * np.abs(self.speed), seconds) * change
        self.missed = 0.0
        self.score = face.score


def _distance(own: FaceCrop, crop: FaceCrop) -> float:
    """Distance of the centres, divided by the side; infinite if the sides differ too much."""
    if not 1 / MAX_SCALE < crop.side / own.side < MAX_SCALE:
        return math.inf
    return own.distance(crop) / own.side


def _without_doubles(found: Sequence[DetectedFace]) -> list[DetectedFace]:
    kept: list[DetectedFace] = []
    for face in found:
        if all(_distance(other.crop, face.crop) >= DOUBLE for other in kept):
            kept.append(face)
    return kept


def _values(crop: FaceCrop) -> np.ndarray:
    return np.array([crop.x, crop.y, math.log(crop.side), math.radians(crop.angle)])


def _weight(cutoff: np.ndarray | np.float64, seconds: float) -> np.ndarray:
    """The weight of a new value in an exponential average with this cutoff in hertz."""
    return np.asarray(1 / (1 + 1 / (2 * math.pi * cutoff * seconds)))


def _registered(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Register a face to another face by rotation and translation (both n x n x 3 in [0, 1]).

    If the registration fails, the other face is returned.
    """
    first, second = (
        cv2.resize(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), (REGISTERED, REGISTERED), interpolation=cv2.INTER_AREA)
        for face in (before, now)
    )
    inner = (soft_mask(REGISTERED) > 0.5).astype(np.uint8)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-3)
    start = np.eye(2, 3, dtype=np.float32)
    try:
        correlation, warp = cv2.findTransformECC(second, first, start, cv2.MOTION_EUCLIDEAN, stop, inner, 3)
    except cv2.error:  # constant images, or no convergence
        return now
    if correlation < LEAST_CORRELATION:
        return now
    # Convert the warp from pixel indices of the small images to pixel indices of the faces.
    size = now.shape[0]
    ratio = size / REGISTERED
    warp[:, 2] = warp[:, 2] * ratio + (ratio - 1) / 2 * (1 - warp[:, :2].sum(1))
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(before, warp, (size, size), flags=how, borderMode=cv2.BORDER_REPLICATE)


def _to_text(pixels: np.ndarray) -> dict[str, Any]:
    """Encode a float32 image exactly, for JSON."""
    return {'shape': pixels.shape, 'pixels': base64.b64encode(pixels.astype('<f4').tobytes()).decode()}


def _from_text(text: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text['pixels']), '<f4').reshape(text['shape'])
