"""Whole photos: find the faces, restore each, paste them back."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from rainrestore import __version__
from rainrestore.apis.derain import derain, removes_rain
from rainrestore.apis.inputs import PictureError, named, split, to_picture
from rainrestore.apis.restorer import SMALLEST_SIDE, Restoration, Restorer
from rainrestore.errors import ConfigError
from rainrestore.faces import DetectedFace, FaceCrop, FaceDetector, add_change, build_detector, cut, find_faces
from rainrestore.faces.detection import TURNS
from rainrestore.faces.fusion import Decision, RainEstimate, decide, face_mask, fuse
from rainrestore.physics import quantise, resize
from rainrestore.visualization.sheets import picture_grid

Background = Literal['keep', 'derain']

#: What estimates rain for a network that was not supervised to.
ESTIMATOR = 'hrrm_plus_x4'
#: What removes rain from the background.
SCENES = 'hrrm_scenes'
#: Below this nothing of a change is seen.
LEAST_WEIGHT = 1 / 64
#: Colours of a preview.
MARK = (255, 220, 0)
OUTLINE = (0, 0, 0)
#: A crop of which less than this lies in the photo is left alone. So no crop has more than four times its pixels.
LEAST_INSIDE = 0.25
#: A crop of which less than this lies in the photo gets a note.
MOSTLY_INSIDE = 0.75
#: A restored face that is shown larger than this many times its size gets one as well.
ENLARGED = 1.1


@dataclass(frozen=True, eq=False)
class RestoredFace:
    """A face of a photo.

    Attributes:
        crop: where it is.
        score: of the detector; 1 for one that a person marked.
        restoration: what the network made of it; ``restoration.face`` has the network's size, not the photo's.
        weight: how much of its correction the photo shows, 0..1; 0 is a face that was left as it is.
    """

    crop: FaceCrop
    score: float
    restoration: Restoration
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class PhotoRestoration:
    """A photo with its faces restored.

    Attributes:
        photo: H x W x 3 uint8 RGB, the size of the input; equal to it outside of the faces, or without rain there.
        faces: the restored ones, the largest first; at least one.
        notes: what was left as it is, or has less to show than it seems, in words.
        found: how many faces the photo shows.
    """

    photo: np.ndarray
    faces: tuple[RestoredFace, ...]
    notes: tuple[str, ...] = ()
    found: int = 0

    def files(self, kind: str) -> dict[str, np.ndarray | None]:
        """As :meth:`Restoration.files`: the photo, and of each face what :class:`Restoration` has, numbered."""
        if kind == 'restored':
            return {'': self.photo}
        if kind == 'sheets':
            rows = [face.restoration.pictures() for face in self.faces]
            return {'': picture_grid([list(row.values()) for row in rows], list(rows[0]))}
        aligned = 'restored' if kind == 'faces' else kind
        return {f'/{number}': face.restoration.files(aligned)[''] for number, face in enumerate(self.faces)}

    def record(self) -> dict[str, Any]:
        """What a manifest keeps beside the files, JSON-able."""
        return {'faces': _described(self.faces), 'found': self.found, 'notes': list(self.notes)}


class PhotoRestorer:
    """Restores the faces in whole photos: ``PhotoRestorer(Restorer('fcg_gan_x4'))('street.jpg').photo``.

    Faces are looked for in the photo without rain first (:func:`~rainrestore.apis.derain.derain`), then in the photo as
    it is, both upright and, if nothing is found, turned. Each is cut out as CelebA-HQ's are, from the photo as it is,
    restored by ``restorer``, which brings it down to the size that it was trained on, and blended into the photo where
    its skin and hair are, or under a soft ellipse.

    **Never worse than the photo.** S, T, A and J of each face are estimated first
    (:class:`~rainrestore.faces.RainEstimate`). The correction fades out where they are beyond what the network was
    trained on, or where there is neither a veil nor streaks; such a face is left as it is, with a note. Above the
    network's size a face keeps the photo's own detail (:func:`~rainrestore.faces.fuse`).

    Args:
        restorer: what restores a face.
        detector: a registered name (``MTCNNDetector``, ``YuNetDetector``, ``RetinaFaceDetector``, your own), a config
            of one, a config file with ``detector = dict(...)``, or a :class:`~rainrestore.faces.FaceDetector`.
        background: ``'keep'`` the photo around the faces as it is, or ``'derain'`` it with ``hrrm_scenes``.
        boxes: photo's path -> its faces, as :func:`rainrestore.faces.read_boxes` gives them: then nothing is looked
            for, no detector is built, and a photo that is not among them is refused.
        turns: degrees by which a photo is turned if it shows no upright face; none saves the time.
        strength: how much of the correction is applied, above 0 and at most 1.
        keep_colour: whether faces keep the photo's colours; None: those over which no veil is estimated.
        estimator: what estimates S, T, A and J of a face. ``'auto'`` is the restorer itself if these were supervised in
            its training, else ``hrrm_plus_x4``; None, for what is no network against rain, pastes faces as they are
            restored.

    Attributes:
        fingerprint: SHA-256 over that of ``restorer`` and all of the above.

    Raises:
        ConfigError: an unknown detector or background.
    """

    def __init__(
        self,
        restorer: Restorer,
        detector: str | Path | Mapping[str, Any] | FaceDetector = 'MTCNNDetector',
        *,
        background: Background = 'keep',
        boxes: Mapping[Path, Sequence[FaceCrop]] | None = None,
        turns: Sequence[float] = TURNS,
        strength: float = 1.0,
        keep_colour: bool | None = None,
        estimator: Restorer | Literal['auto'] | None = 'auto',
    ) -> None:
        if not 0 < strength <= 1:
            raise ConfigError(f'strength is above 0 and at most 1, got {strength}')
        if background not in ('keep', 'derain'):
            raise ConfigError(f"background is 'keep' or 'derain', got {background!r}")
        self.restorer = restorer
        self.strength = strength
        self.keep_colour = keep_colour
        self.estimator = _estimator_of(restorer) if estimator == 'auto' else estimator
        self.background = background
        self.boxes = boxes
        self.turns = tuple(turns)
        self.detector: FaceDetector | None = None
        if boxes is None:
            named_config = isinstance(detector, (str, Path, Mapping))
            self.detector = build_detector(detector) if named_config else detector  # type: ignore[arg-type,assignment]
        self.remover: Restorer | None = restorer if removes_rain(restorer) else None
        if background == 'derain':
            self.remover = Restorer(SCENES, device=restorer.device, precision=restorer.precision)
        self.fingerprint = self._fingerprint(detector)

    def __call__(self, source: Any, crops: Sequence[FaceCrop] | None = None) -> Any:
        """Restore one photo, or each of several.

        Args:
            source: what :class:`Restorer` takes, each picture a whole photo.
            crops: where the faces are, instead of looking for them (in one photo).

        Returns:
            A :class:`PhotoRestoration`; for several a list of them in the same order.

        Raises:
            ImageFileError: a file cannot be read.
            PictureError: what is given is no picture, or no face is found in it, or none that can be restored.
        """
        items, single = split(source)
        results = [
            self.restore_photo(to_picture(item, name), name, crops)
            for item, name in zip(items, named(items, single), strict=True)
        ]
        return results[0] if single else results

    def restore(self, pictures: Sequence[np.ndarray], names: Sequence[str]) -> list[PhotoRestoration]:
        """As :func:`~rainrestore.apis.restore_files` calls it; ``names`` are the paths, by which boxes are found."""
        return [self.restore_photo(picture, name) for picture, name in zip(pictures, names, strict=True)]

    def restore_photo(
        self, picture: np.ndarray, name: str = 'the photo', crops: Sequence[FaceCrop] | None = None
    ) -> PhotoRestoration:
        """Restore one H x W x 3 photo, uint8 or floating point in [0, 1]; for the rest see :meth:`__call__`."""
        photo = picture if picture.dtype == np.uint8 else quantise(picture)
        faces, clear = self.found_in(photo, name, crops)
        result = self.restore_faces(photo, faces, clear, name)
        if not any(face.weight for face in result.faces) and (self.background == 'keep' or not result.faces):
            raise PictureError(name, f'none of its faces can be restored: {"; ".join(result.notes)}')
        return result

    def found_in(
        self, photo: np.ndarray, name: str = 'the photo', crops: Sequence[FaceCrop] | None = None
    ) -> tuple[list[DetectedFace], np.ndarray | None]:
        """The faces of an H x W x 3 uint8 photo, at least one, and the photo without rain if that was needed.

        Raises:
            PictureError: no face is found.
        """
        if crops is None and self.boxes is not None:
            crops = self.boxes.get(Path(name).resolve())
            if not crops:
                raise PictureError(name, 'the file of boxes has no line for it')
        clear = self.clear(photo) if crops is None or self.background == 'derain' else None
        faces = self.find(photo, clear) if crops is None else [DetectedFace(crop) for crop in crops]
        if not faces:
            raise PictureError(name, self._none_found())
        return faces, clear

    def restore_faces(
        self,
        photo: np.ndarray,
        faces: Sequence[DetectedFace],
        clear: np.ndarray | None = None,
        name: str = 'the photo',
        steady: Callable[[DetectedFace, np.ndarray], np.ndarray] | None = None,
        restorations: Sequence[Restoration] | None = None,
    ) -> PhotoRestoration:
        """Restore these faces of an H x W x 3 uint8 photo, as far as that can be done: there may be none of them.

        Args:
            photo: it.
            faces: where they are.
            clear: the photo without rain, where that is to be the background.
            name: what errors call it.
            steady: What makes of each face, as the photo would show it, the one that is shown.
            restorations: What :meth:`restore_crops` made of these faces of this photo.
        """
        notes, kept = _sorted_out(faces, photo)
        if restorations is None:
            (restorations,) = self.restore_crops([photo], [faces], [name])
        pictures = [cut(photo, face.crop) for face in kept]
        rains = self._rains(restorations)
        result = photo.copy() if self.background == 'keep' or clear is None else clear
        restored = []
        for face, picture, restoration, rain in zip(kept, pictures, restorations, rains, strict=True):
            average = None if steady is None else partial(steady, face)
            weight = self._apply(result, face.crop, picture, restoration, rain, average)
            restored.append(RestoredFace(face.crop, face.score, restoration, weight))
            if weight == 0:
                notes.append(
                    f'{_place(face.crop)} shows no rain of the kind that {self.restorer.name} was trained on, '
                    'and was left as it is'
                )
            elif (enlarged := face.crop.side / restoration.face.shape[0]) > ENLARGED:
                softer = rain is None and self.restorer.scale > 1
                detail = 'softer than the photo around it' if softer else 'with its finest detail from the photo'
                notes.append(f'{_place(face.crop)} is shown {enlarged:.1f} times larger than it was restored, {detail}')
        return PhotoRestoration(result, tuple(restored), tuple(notes), len(faces))

    def restore_crops(
        self, photos: Sequence[np.ndarray], faces: Sequence[Sequence[DetectedFace]], names: Sequence[str]
    ) -> list[list[Restoration]]:
        """What the network makes of the faces of each photo that can be restored, all in the same batches."""
        kept = [_sorted_out(found, photo)[1] for photo, found in zip(photos, faces, strict=True)]
        crops = [cut(photo, face.crop) for photo, found in zip(photos, kept, strict=True) for face in found]
        called = [f'{name}, face {number}' for name, found in zip(names, kept, strict=True)
                  for number in range(len(found))]  # fmt: skip
        restored = iter(self.restorer.restore(crops, called))
        return [list(itertools.islice(restored, len(found))) for found in kept]

    def _rains(self, restorations: Sequence[Restoration]) -> list[RainEstimate | None]:
        """The rain over each face, with a veil no brighter than its darkest pixels."""
        if self.estimator is None:
            return [None] * len(restorations)
        rains: list[RainEstimate | None] = []
        for item in restorations:
            if self.estimator is self.restorer:
                found = {name: getattr(item, name) for name in 'JSTA'}
            else:
                found = {name: maps[0] for name, maps in self.estimator.remove_rain(item.I[None]).items()}
            rains.append(RainEstimate(*(found[name] for name in 'JSTA')).bounded(item.I))
        return rains

    def _apply(
        self, result: np.ndarray, crop: FaceCrop, picture: np.ndarray, restoration: Restoration,
        rain: RainEstimate | None, average: Callable[[np.ndarray], np.ndarray] | None,
    ) -> float:  # fmt: skip
        """Add the change of one face to the photo; how much of it, 0..1."""
        decision = Decision(1.0, keep_colour=False)
        if rain is not None and self.estimator is not None:
            known = min(self.estimator.known_transmission, self.restorer.known_transmission)
            decision = decide(rain, known)
        weight = self.strength * decision.weight
        if weight < LEAST_WEIGHT:
            return 0.0
        size = picture.shape[0]
        own, face = picture / np.float32(255), restoration.face / np.float32(255)
        if rain is None and self.restorer.scale > 1:
            fused = resize(face, size, size)
        else:
            keep = decision.keep_colour if self.keep_colour is None else self.keep_colour
            trust = 0.5 if self.estimator is self.restorer else 0.0
            fused = fuse(own, face, restoration.I, rain, trust, keep)
        shown = own + np.float32(weight) * (fused - own)
        if average is not None:
            shown = average(quantise(shown)) / np.float32(255)
        add_change(result, shown - own, face_mask(restoration.parsing, size), crop)
        return weight

    def clear(self, photo: np.ndarray) -> np.ndarray | None:
        """An H x W x 3 uint8 photo without rain, if a network predicts it."""
        return derain(self.remover, photo) if self.remover else None

    def find(
        self, photo: np.ndarray, clear: np.ndarray | None, turns: Sequence[float] | None = None
    ) -> list[DetectedFace]:
        """The faces in a photo, H x W x 3 uint8, of which ``clear`` is a version without rain; ``turns`` as ever."""
        if self.detector is None:
            raise ConfigError('this PhotoRestorer takes its faces from boxes and has no detector')
        return find_faces(
            self.detector, [photo] if clear is None else [clear, photo], self.turns if turns is None else turns
        )

    def _none_found(self) -> str:
        where = 'with its rain removed and as it is' if self.remover else 'as it is'
        smallest = getattr(self.detector, 'smallest_face', None)
        size = f', from {smallest} pixels with hair and chin' if smallest else ''
        return (
            f'no face found (looked for {where}, upright and turned{size}); mark it with --boxes FILE, or if the '
            'picture is a face, cropped and aligned, say --aligned'
        )

    def _fingerprint(self, detector: Any) -> str:
        """What determines the result; a detector of unknown kind counts by its ``repr``."""
        described: Any = None
        if self.boxes is not None:
            described = [[str(path), [vars(crop) for crop in crops]] for path, crops in sorted(self.boxes.items())]
        elif isinstance(detector, Path) or (isinstance(detector, str) and detector.endswith('.py')):
            described = Path(detector).read_text(encoding='utf-8')
        elif isinstance(detector, (str, Mapping)):
            described = detector
        else:
            described = repr(detector)
        made_by = {
            'restorer': self.restorer.fingerprint, 'faces': described, 'background': self.background,
            'turns': self.turns, 'strength': self.strength, 'keep_colour': self.keep_colour,
            'estimator': self.estimator and self.estimator.fingerprint,
            'remover': self.remover and self.remover.fingerprint, 'version': __version__,
        }  # fmt: skip
        return sha256(json.dumps(made_by, sort_keys=True, default=repr).encode()).hexdigest()


def _estimator_of(restorer: Restorer) -> Restorer | None:
    """What estimates the rain over the faces of a restorer."""
    if restorer.task != 'faces' or next(restorer.model.parameters(), None) is None:
        return None
    if restorer.estimates_rain and restorer.estimator is None:
        return restorer
    return Restorer(restorer.estimator or ESTIMATOR, device=restorer.device, precision=restorer.precision)


@dataclass(frozen=True, eq=False)
class FacePreview:
    """A photo with its faces marked: the square that is restored of each, and its number.

    Attributes:
        photo: H x W x 3 uint8 RGB.
        faces: the largest first.
        notes: as of :class:`PhotoRestoration`.
    """

    photo: np.ndarray
    faces: tuple[DetectedFace, ...]
    notes: tuple[str, ...] = ()

    def files(self, kind: str) -> dict[str, np.ndarray | None]:
        """The photo, of the kind ``preview``."""
        return {'': self.photo} if kind == 'preview' else {}

    def record(self) -> dict[str, Any]:
        """What a manifest keeps beside the files, JSON-able."""
        return {'faces': _described(self.faces), 'found': len(self.faces), 'notes': list(self.notes)}


class PhotoPreview:
    """Marks the faces that a :class:`PhotoRestorer` would restore, and restores nothing."""

    def __init__(self, photos: PhotoRestorer) -> None:
        self.photos = photos
        self.fingerprint = photos.fingerprint

    def restore(self, pictures: Sequence[np.ndarray], names: Sequence[str]) -> list[FacePreview]:
        """As :func:`~rainrestore.apis.restore_files` calls it."""
        return [self.preview(picture, name) for picture, name in zip(pictures, names, strict=True)]

    def preview(self, photo: np.ndarray, name: str = 'the photo') -> FacePreview:
        """Mark the faces of one H x W x 3 uint8 photo.

        Raises:
            PictureError: no face is found.
        """
        faces, _ = self.photos.found_in(photo, name)
        notes, _ = _sorted_out(faces, photo)
        return FacePreview(draw_faces(photo, faces), tuple(faces), tuple(notes))


def draw_faces(photo: np.ndarray, faces: Sequence[DetectedFace]) -> np.ndarray:
    """A copy of an H x W x 3 uint8 photo with the square of each face and its number."""
    marked = photo.copy()
    thickness = max(round(max(photo.shape[:2]) / 600), 1)
    for number, face in enumerate(faces):
        corners = np.rint(face.crop.corners() - 0.5).astype(np.int32)
        place = tuple((corners[0] + (2 * thickness, 14 * thickness)).tolist())
        for colour, width in ((OUTLINE, 3 * thickness), (MARK, thickness)):
            cv2.polylines(marked, [corners], isClosed=True, color=colour, thickness=width, lineType=cv2.LINE_AA)
            cv2.putText(marked, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * thickness, colour, width,
                        cv2.LINE_AA)  # fmt: skip
    return marked


def _described(faces: Sequence[DetectedFace | RestoredFace]) -> list[dict[str, float]]:
    return [{**vars(face.crop), 'score': round(face.score, 4)} for face in faces]


def _sorted_out(faces: Sequence[DetectedFace], photo: np.ndarray) -> tuple[list[str], list[DetectedFace]]:
    """Notes on what is special, and the faces that can be restored."""
    height, width = photo.shape[:2]
    notes, kept = [], []
    for face in faces:
        crop = face.crop
        what = _place(crop)
        if round(crop.side) < SMALLEST_SIDE:
            notes.append(f'{what} is {crop.side:.0f} pixels wide, too small to restore, and was left as it is')
            continue
        if not (0 <= crop.x < width and 0 <= crop.y < height):
            notes.append(f'{what} lies outside of the {width}x{height} photo and was left as it is')
            continue
        inside = crop.inside(width, height)
        if inside < LEAST_INSIDE:
            notes.append(f'{what} has {inside:.0%} of its square in the photo and was left as it is')
            continue
        if inside < MOSTLY_INSIDE:
            notes.append(f'{what} is at the border: {1 - inside:.0%} of its square is the photo mirrored')
        kept.append(face)
    return notes, kept


def _place(crop: FaceCrop) -> str:
    return f'the face at ({crop.x:.0f}, {crop.y:.0f})'
