"""Whole photos: detect the faces, restore each face, and blend it into the photo."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from mmengine.config import Config

from rainrestore import __version__
from rainrestore.apis.derain import NOTHING_SEEN, Derained, derained, removes_rain
from rainrestore.apis.inputs import ImageError, ImageLike, check_photo, named, split, to_image
from rainrestore.apis.purpose import TASKS
from rainrestore.apis.restorer import SMALLEST_SIDE, Restoration, Restorer
from rainrestore.arguments import checked
from rainrestore.errors import ConfigError
from rainrestore.faces import DetectedFace, FaceCrop, FaceDetector, add_change, build_detector, cut, find_faces, fusion
from rainrestore.faces.detection import TURNS, LandmarkDetector
from rainrestore.faces.fusion import Decision, RainEstimate, SceneRain
from rainrestore.physics import quantise, resize
from rainrestore.visualization.sheets import image_grid

Background = Literal['auto', 'keep', 'derain']

#: Model that estimates the rain if the restorer was not trained to estimate it.
ESTIMATOR = 'hrrm_photos_x4'
#: Model for heavy rain that is used beside it, where both agree.
HEAVY_ESTIMATOR = 'hrrm_plus_x4'
#: Model that estimates the rain of the whole photo and removes it from the background.
SCENES = 'hrrm_scenes'
#: A change with a smaller weight is invisible and not applied.
LEAST_WEIGHT = 1 / 64
#: Colours of a preview.
MARK = (255, 220, 0)
OUTLINE = (0, 0, 0)
#: If a smaller fraction of its crop is in the photo, a face is not restored. Therefore the area of a restored crop is
#: at most four times the area of the photo.
LEAST_INSIDE = 0.25
#: If a smaller fraction of a crop is in the photo, there is a note.
MOSTLY_INSIDE = 0.75
#: If a crop is more than this factor larger than its restored face, there is a note.
ENLARGED = 1.1
#: End of the message about a photo without a face. It names options of the command.
MARK_THE_FACE = '; mark the face with --boxes FILE, or use --aligned if the image is a cropped and aligned face'
#: In notes, there is a veil below this mean T, and there are streaks above this mean S.
VEILED = 0.9
STREAKED = 0.04
#: Certainty of the streaks of a photo above which ``background='auto'`` removes the rain around the faces.
RAINING = 0.5
#: Weight of the T of the faces in a scene with dense haze alone, relative to the T of the scene.
CALIBRATION = 0.5


#: The output of the network for a face and, if it is estimated, the rain over the face.
EstimatedFace: TypeAlias = tuple[Restoration, RainEstimate | None]


@dataclass(frozen=True, eq=False)
class RestoredFace:
    """A restored face of a photo.

    Attributes:
        crop: Position of the face in the photo.
        score: Score of the detector; 1 for a face from a box.
        restoration: The output of the network; ``restoration.face`` has the size of the network's output.
        weight: Weight of the correction in the photo, 0..1; 0 for an unchanged face.
    """

    crop: FaceCrop
    score: float
    restoration: Restoration
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class PhotoRestoration:
    """A photo with restored faces.

    Attributes:
        photo: H x W x 3 uint8 RGB in the size of the input; outside of the faces it equals the input, or the input
            without rain.
        faces: The restored faces, the largest first.
        notes: Notes on faces that were not changed, or whose result is limited.
        found: Number of faces in the photo.
    """

    photo: np.ndarray
    faces: tuple[RestoredFace, ...]
    notes: tuple[str, ...] = ()
    found: int = 0

    def files(self, kind: str) -> dict[str, np.ndarray | None]:
        """The photo, or the numbered files of each face; see :meth:`Restoration.files`."""
        if kind == 'restored':
            return {'': self.photo}
        if kind == 'sheets':
            rows = [face.restoration.images() for face in self.faces]
            return {'': image_grid([list(row.values()) for row in rows], list(rows[0]))}
        aligned = 'restored' if kind == 'faces' else kind
        return {f'/{number}': face.restoration.files(aligned)[''] for number, face in enumerate(self.faces)}

    def record(self) -> dict[str, Any]:
        """Further values for the manifest, JSON-serialisable."""
        faces = [{**_described(face), 'weight': face.weight} for face in self.faces]
        return {'faces': faces, 'found': self.found, 'notes': list(self.notes)}


class PhotoRestorer:
    """Restores the faces in whole photos: ``PhotoRestorer(Restorer('fcg_gan_x4'))('street.jpg').photo``.

    Faces are detected in the photo without rain (:func:`~rainrestore.apis.derain.derain`) and in the original photo. If
    no certain upright face is found, the photos are rotated. Each face is cropped from the original photo with the
    alignment of CelebA-HQ, restored by ``restorer``, and blended into the photo with a mask of its skin and hair, or
    with a soft circle.

    **Protection against artefacts.** S, T, A and J of each face are estimated
    (:class:`~rainrestore.faces.RainEstimate`). The weight of the correction decreases to 0 if T is above the training
    range of the network, or if there is neither a veil nor streaks. A face with weight 0 is not changed, and there is a
    note. A face larger than the network's input keeps the fine detail of the photo
    (:func:`~rainrestore.faces.fuse`), unless the network enlarges faces and there is no estimate of the rain.

    Args:
        restorer: Restores the faces: a :class:`Restorer`, or a model for ``Restorer(model)``.
        detector: A registered name (``MTCNNDetector``, ``YuNetDetector``, ``RetinaFaceDetector``, your own), the config
            of a detector, a config file with ``detector = dict(...)``, or a :class:`~rainrestore.faces.FaceDetector`.
        background: ``'derain'`` removes the rain and the veil around the faces with ``hrrm_scenes``, ``'keep'`` keeps
            them. ``'auto'`` is ``'derain'`` for a photo with certain streaks, or with the same veil over a face and the
            scene, if the estimator is ``hrrm_photos_x4``. Otherwise, and for videos, it is ``'keep'``: a bright scene
            without black can be mistaken for haze.
        boxes: Path of a photo -> its faces, as from :func:`rainrestore.faces.read_boxes`. Then no detector is used, and
            a photo without boxes is an error.
        turns: Rotations in degrees for a photo without certain upright faces; an empty sequence is faster.
        strength: Factor of all changes of the photo, above 0 and at most 1.
        keep_colour: Whether faces keep the colours of the photo; None: only faces without an estimated veil.
        estimator: Estimates S, T, A and J of a face. ``'auto'``: the estimator in the config of ``restorer``; without
            one, ``restorer`` if S, T and A were supervised in its training, else ``hrrm_photos_x4``; None for a network
            that was not trained to remove rain, and for a method without weights. With None, all faces are corrected
            with the weight ``strength``. Beside ``hrrm_photos_x4``, ``hrrm_plus_x4`` estimates heavy rain
            (:func:`~rainrestore.faces.fusion.combine`), and ``hrrm_scenes`` the rain of the whole photo
            (:func:`~rainrestore.faces.fusion.with_scene`).

    Attributes:
        fingerprint: SHA-256 over the fingerprint of ``restorer`` and all arguments.

    Raises:
        ArgumentError: An argument of another type, or an unknown background.
        ConfigError: An unknown detector, an invalid strength, or an estimator that does not predict J, S, T and A.
    """

    @checked
    def __init__(
        self,
        restorer: Restorer | str | Path | Config,
        detector: str | Path | Mapping[str, Any] | FaceDetector = 'MTCNNDetector',
        *,
        background: Background = 'auto',
        boxes: Mapping[str, Sequence[FaceCrop]] | Mapping[Path, Sequence[FaceCrop]] | None = None,
        turns: Sequence[float] = TURNS,
        strength: float = 1.0,
        keep_colour: bool | None = None,
        estimator: Restorer | Literal['auto'] | None = 'auto',
    ) -> None:
        if not 0 < strength <= 1:
            raise ConfigError(f'strength must be above 0 and at most 1, got {strength}')
        if not isinstance(restorer, Restorer):
            restorer = Restorer(restorer)
        if not TASKS[restorer.task].finds_faces:
            whole = f'{restorer.name} restores whole images (task {restorer.task})'
            raise ConfigError(f'{whole}: use it without PhotoRestorer')
        self.restorer = restorer
        self.strength = strength
        self.keep_colour = keep_colour
        self.background = background
        self.boxes = None if boxes is None else {Path(path).resolve(): crops for path, crops in boxes.items()}
        self.turns = tuple(turns)
        self.estimator = _estimator_of(restorer) if isinstance(estimator, str) else estimator
        if self.estimator is not None and not self.estimator.predicts >= set('JSTA'):
            problem = f'the estimator {self.estimator.name} does not predict J, S, T and A'
            raise ConfigError(f'{problem}; use another, such as {ESTIMATOR}')
        in_heavy_rain = self.estimator is not None and self.estimator.name == ESTIMATOR
        self.heavy = _beside(restorer, HEAVY_ESTIMATOR) if in_heavy_rain else None
        #: Estimates the rain for a note, if the restorer does not remove rain.
        observed = restorer.task == 'renovate' and self.estimator is None
        self.observer = _beside(restorer, ESTIMATOR) if observed else None
        self.remover = restorer if removes_rain(restorer) else None
        if background == 'derain' or self.heavy is not None:
            self.remover = _beside(restorer, SCENES)
        self.detector: FaceDetector | None = None
        if boxes is None:
            self.detector = build_detector(detector) if isinstance(detector, str | Path | Mapping) else detector
        self._last: tuple[np.ndarray, Derained] | None = None
        self.fingerprint = self._fingerprint(detector)

    def __call__(self, source: Any, crops: Sequence[FaceCrop] | None = None) -> Any:
        """Restore one or several photos.

        Args:
            source: One or several inputs of :class:`Restorer`; each is a whole photo.
            crops: Positions of the faces in one photo; replaces the detection.

        Returns:
            A :class:`PhotoRestoration`; for several photos a list in the same order.

        Raises:
            ImageFileError: A file cannot be read.
            ImageError: An input is no image, has no face, or has no face that can be restored.
        """
        items, single = split(source)
        names = named(items, single)
        results = [self.restore_photo(item, name, crops) for item, name in zip(items, names, strict=True)]
        return results[0] if single else results

    @checked
    def restore(self, images: Sequence[np.ndarray], names: Sequence[str]) -> list[PhotoRestoration]:
        """Restore photos for :func:`~rainrestore.apis.restore_files`; ``names`` are their paths."""
        return [self.restore_photo(image, name) for image, name in zip(images, names, strict=True)]

    def restore_photo(
        self, image: ImageLike, name: str = 'the photo', crops: Sequence[FaceCrop] | None = None
    ) -> PhotoRestoration:
        """Restore one photo; see :meth:`__call__`."""
        pixels = to_image(image, name)
        photo = pixels if pixels.dtype == np.uint8 else quantise(pixels)
        faces, clear = self.found_in(photo, name, crops)
        result = self.restore_faces(photo, faces, clear, name)
        result = replace(result, notes=(*result.notes, *self.rain_left(photo, result.faces)))
        changed = result.faces and not np.array_equal(result.photo, photo)
        if not changed and not any(face.weight for face in result.faces):
            raise ImageError(name, f'none of its faces can be restored: {"; ".join(result.notes)}', result.found)
        if not changed and self.strength < 1:
            reason = f'the strength {self.strength:g} is too small to change it; use a greater one'
            raise ImageError(name, reason, result.found)
        return result

    @checked
    def found_in(
        self, photo: np.ndarray, name: str = 'the photo', crops: Sequence[FaceCrop] | None = None
    ) -> tuple[list[DetectedFace], Derained | None]:
        """The faces of an H x W x 3 uint8 photo, at least one, and the photo without rain if it was computed.

        Raises:
            ImageError: No face is found, or the photo is another kind of array.
        """
        check_photo(photo, name)
        if crops is None and self.boxes is not None:
            crops = self.boxes.get(Path(name).resolve())
            if not crops:
                raise ImageError(name, 'the file of boxes has no line for this photo')
        needed = crops is None or self.background == 'derain' or self.heavy is not None
        clear = self.derain(photo) if needed else None
        faces = self.find(photo, clear) if crops is None else [DetectedFace(crop) for crop in crops]
        if not faces:
            raise ImageError(name, self._none_found(photo) if crops is None else 'has no face in crops', 0)
        return faces, clear

    @checked
    def restore_faces(
        self,
        photo: np.ndarray,
        faces: Sequence[DetectedFace],
        clear: Derained | None = None,
        name: str = 'the photo',
        steady: Callable[[DetectedFace, np.ndarray], np.ndarray] | None = None,
        estimated: Sequence[EstimatedFace] | None = None,
    ) -> PhotoRestoration:
        """Restore given faces of a photo; the list may be empty.

        Args:
            photo: H x W x 3 uint8.
            faces: Positions of the faces.
            clear: The photo without rain. It is the result around the faces, if ``background`` says so. Its estimated
                rain corrects the estimates for the faces.
            name: Name of the photo in error messages.
            steady: Smooths the crop of each restored face over time, for video.
            estimated: The result of :meth:`restore_crops` for these faces.
        """
        check_photo(photo, name)
        notes, kept = restorable(faces, photo)
        if estimated is None:
            (estimated,) = self.restore_crops([photo], [faces], [name])
        images = [cut(photo, face.crop) for face in kept]
        scenes = [None if clear is None or self.heavy is None else clear.rain_over(face.crop) for face in kept]
        # At full strength; the strength applies to all changes together.
        result, rest = photo.copy(), 'was not changed'
        rainy = clear is not None and not np.array_equal(photo, clear.photo)
        # T of the faces that confirm the veil of the scene, and T of the scene there.
        confirmed = [(float(rain.T.mean()), float(scene.transmission.mean()))
                     for (output, rain), scene in zip(estimated, scenes, strict=True)
                     if rain is not None and scene is not None and fusion.same_veil(rain, scene, output.I)]  # fmt: skip
        derains = clear is not None and self._derains(clear, bool(confirmed))
        if clear is not None and derains and rainy:
            # The T of a face is reliable in a dense veil. In a video the result would flicker with it.
            dense = [own - around for own, around in confirmed if own < fusion.VEIL[0]]
            if dense and steady is None and clear.rain is not None and clear.rain.certain == 0:
                clear = clear.with_transmission(CALIBRATION * sum(dense) / len(dense))
            result, rest = clear.photo.copy(), 'was changed only as the background'
        elif derains:
            notes.append(f'the background shows {NOTHING_SEEN}, and was not changed')
        restored = []
        for face, image, (restoration, rain), scene in zip(kept, images, estimated, scenes, strict=True):
            place = place_of(face.crop)
            if face.held and fusion.shows_face(restoration.parsing) is False:
                continue  # the face left its last position
            average = None if steady is None else partial(steady, face)
            found, decision = rain, Decision(1.0, 1.0)
            if rain is not None:
                decision = fusion.decide(rain, self._known)
                if scene is not None and fusion.knows_clear_air(self._known):
                    rain, decision = fusion.with_scene(rain, decision, scene, restoration.I)
            weight = self._apply(result, face.crop, image, restoration, rain, scene, decision, average)
            restored.append(RestoredFace(face.crop, face.score, restoration, self.strength * weight))
            if weight == 0 and found is not None:
                notes.append(f'{place} shows {self._finding(found)}, and {rest}')
                continue
            if found is not None and decision.veil < decision.weight and (veil := float(found.T.mean())) < VEILED:
                part = '' if decision.veil == 0 else 'part of '
                how = '' if decision.streaks == 1 else 'partly '
                remark = f'shows a thin veil (T = {veil:.2f}), {part}which was kept; its streaks were {how}removed'
                notes.append(f'{place} {remark}')
            if (enlarged := face.crop.side / restoration.face.shape[0]) > ENLARGED:
                softer = rain is None and self.restorer.scale > 1
                detail = 'softer than the photo around it' if softer else 'with its finest detail from the photo'
                notes.append(f'{place} is shown {enlarged:.1f} times larger than its restored size, {detail}')
        if rainy and derains and self.background == 'auto':
            notes.append('the rain or haze of the background was removed, too (background: auto)')
        elif rainy and not derains and any(face.weight for face in restored):
            notes.append(f'the background has rain or haze, and was not changed (background: {self.background})')
        result = with_strength(photo, result, self.strength)
        return PhotoRestoration(result, tuple(restored), tuple(notes), len({face.crop for face in faces}))

    def _derains(self, clear: Derained, confirmed: bool) -> bool:
        """Whether the result has the background of the photo without rain; ``confirmed`` by a face or not."""
        if self.background != 'auto' or clear.rain is None:
            return self.background == 'derain'
        return clear.rain.certain >= RAINING or confirmed

    def restore_crops(
        self, photos: Sequence[np.ndarray], faces: Sequence[Sequence[DetectedFace]], names: Sequence[str]
    ) -> list[list[EstimatedFace]]:
        """The output of the network and the rain of the restorable faces of each photo, in common batches."""
        kept = [restorable(found, photo)[1] for photo, found in zip(photos, faces, strict=True)]
        crops = [cut(photo, face.crop) for photo, found in zip(photos, kept, strict=True) for face in found]
        face_names = [f'{name}, face {number}' for name, found in zip(names, kept, strict=True)
                      for number in range(len(found))]  # fmt: skip
        restored = self.restorer.restore(crops, face_names)
        estimated = zip(restored, self._rains(restored), strict=True)
        return [list(itertools.islice(estimated, len(found))) for found in kept]

    def _rains(self, restorations: Sequence[Restoration]) -> list[RainEstimate | None]:
        """The estimated rain over each face."""
        if self.estimator is None:
            return [None] * len(restorations)
        images = [item.I for item in restorations]
        if self.estimator is self.restorer:
            rains = [RainEstimate(*(getattr(item, name) for name in 'JSTA')) for item in restorations]
        else:
            rains = self.estimator.estimate_rain(images)
        if self.heavy is not None:
            heavy = self.heavy.estimate_rain(images)
            return [fusion.combine(*each) for each in zip(rains, heavy, images, strict=True)]
        if self.estimator.known_transmission < fusion.CLEAR:
            return [rain.bounded(image) for rain, image in zip(rains, images, strict=True)]
        return list(rains)

    @property
    def _known(self) -> float:
        """The largest T in the training of both the restorer and the estimator."""
        return min(model.known_transmission for model in (self.restorer, self.estimator) if model is not None)

    def _finding(self, rain: RainEstimate) -> str:
        """The estimated rain over a face that is not corrected, for a note."""
        weak = 'too weak to remove'
        if not fusion.knows_clear_air(self._known):
            weak = f'unlike the training of {self.restorer.name} (T up to {self._known:.2f})'
        return f'{_seen(rain)}, {weak}' if _parts_seen(rain) else _seen(rain)

    def rain_left(self, photo: np.ndarray, faces: Sequence[RestoredFace]) -> list[str]:
        """Notes on the rain over the faces, if the restorer does not remove rain."""
        if self.observer is None:
            return []
        notes, size = [], self.observer.size
        images = [resize(cut(photo, face.crop), size, size) for face in faces]
        for face, rain in zip(faces, self.observer.estimate_rain(images), strict=True):
            if fusion.decide(rain, self.observer.known_transmission).weight:
                left = f'{_seen(rain)}, which {self.restorer.name} does not remove'
                notes.append(f'{place_of(face.crop)} shows {left}; use a model for the task faces')
        return notes

    def _apply(
        self, result: np.ndarray, crop: FaceCrop, image: np.ndarray, restoration: Restoration,
        rain: RainEstimate | None, scene: SceneRain | None, decision: Decision,
        average: Callable[[np.ndarray], np.ndarray] | None,
    ) -> float:  # fmt: skip
        """Blend one face into ``result`` at full strength; returns the weight of its correction, 0..1.

        The change is relative to ``result``, which may already be without rain here, or have another face here.
        """
        weight = decision.weight
        if weight < LEAST_WEIGHT:
            return 0.0
        size = image.shape[0]
        own, face = image / np.float32(255), restoration.face / np.float32(255)
        if scene is not None:
            own = fusion.without_fine_streaks(own, scene.streaks, restoration.I.shape[0])
        if rain is None and self.restorer.scale > 1:
            fused = resize(face, size, size)
        else:
            keep = decision.keep_colour if self.keep_colour is None else self.keep_colour
            trust = 0.5 if self.estimator is self.restorer else 0.0
            if self.heavy is not None and rain is not None and fusion.knows_clear_air(self.restorer.known_transmission):
                trust = fusion.trust_in(rain, restoration.I)
            if rain is not None:
                rain = rain.keeping_veil(restoration.I, 1 - decision.veil / weight)
            fused = fusion.fuse(own, face, restoration.I, rain, trust, keep)
        before = cut(result, crop) / np.float32(255)
        shown = before + np.float32(weight) * (fused - before)
        if average is not None:
            shown = average(quantise(shown)) / np.float32(255)
        add_change(result, shown - before, fusion.face_mask(restoration.parsing, size), crop)
        return weight

    def derain(self, photo: np.ndarray) -> Derained | None:
        """Remove the rain from an H x W x 3 uint8 photo; None if no network predicts it.

        The last result is kept: the page detects and restores the faces of a photo in two calls.
        """
        if self.remover is None:
            return None
        last = self._last
        if last is None or not np.array_equal(last[0], photo):
            last = self._last = photo.copy(), derained(self.remover, photo)
        return last[1]

    def find(
        self, photo: np.ndarray, clear: Derained | None, turns: Sequence[float] | None = None
    ) -> list[DetectedFace]:
        """Detect the faces in a photo, H x W x 3 uint8.

        Args:
            photo: The photo.
            clear: The photo without rain, or None.
            turns: Rotations in degrees; None for the rotations of this object.

        Raises:
            ConfigError: This object uses boxes and has no detector.
        """
        if self.detector is None:
            raise ConfigError('this PhotoRestorer uses boxes and has no detector')
        versions = [photo] if clear is None else [clear.photo, photo]
        return find_faces(self.detector, versions, self.turns if turns is None else turns)

    def _none_found(self, photo: np.ndarray) -> str:
        where = 'with and without its rain, ' if self.remover else ''
        smallest = getattr(self.detector, 'smallest_face', None)
        if isinstance(self.detector, LandmarkDetector):
            smallest = self.detector.smallest_in(photo)
        size = f', from {smallest} pixels with hair and chin' if smallest else ''
        return f'no face found (searched {where}upright and rotated{size}){MARK_THE_FACE}'

    def _fingerprint(self, detector: Any) -> str:
        """SHA-256 over everything that determines the result; a detector object is represented by its ``repr``."""
        described: Any = detector  # a detector object is not JSON
        if self.boxes is not None:
            described = [[str(path), [vars(crop) for crop in crops]] for path, crops in sorted(self.boxes.items())]
        elif isinstance(detector, Path) or (isinstance(detector, str) and detector.endswith('.py')):
            described = Path(detector).read_text(encoding='utf-8')
        made_by = {
            'restorer': self.restorer.fingerprint, 'faces': described, 'background': self.background,
            'turns': self.turns, 'strength': self.strength, 'keep_colour': self.keep_colour,
            'estimator': self.estimator and self.estimator.fingerprint,
            'heavy': self.heavy and self.heavy.fingerprint,
            'remover': self.remover and self.remover.fingerprint, 'version': __version__,
        }  # fmt: skip
        return sha256(json.dumps(made_by, sort_keys=True, default=repr).encode()).hexdigest()


def _parts_seen(rain: RainEstimate) -> list[str]:
    """The parts of the rain that are estimated over a face."""
    return ['a veil'] * bool(rain.T.mean() < VEILED) + ['streaks'] * bool(rain.S.mean() > STREAKED)


def _seen(rain: RainEstimate) -> str:
    """The estimated rain over a face, for a note."""
    return f'{" and ".join(_parts_seen(rain)) or NOTHING_SEEN} (T = {rain.T.mean():.2f}, S = {rain.S.mean():.2f})'


def _estimator_of(restorer: Restorer) -> Restorer | None:
    """The estimator of the rain for a restorer; None for networks that do not remove rain."""
    if restorer.task != 'faces' or next(restorer.model.parameters(), None) is None:
        return None
    if restorer.estimates_rain and restorer.estimator is None:
        return restorer
    return _beside(restorer, restorer.estimator or ESTIMATOR)


def _beside(restorer: Restorer, model: str) -> Restorer:
    """Another model, on the device and with the precision of a restorer."""
    return Restorer(model, device=restorer.device, precision=restorer.precision)


@dataclass(frozen=True, eq=False)
class FacePreview:
    """A photo with marked faces: the square crop of each face, and its number.

    Attributes:
        photo: H x W x 3 uint8 RGB.
        faces: The faces, the largest first.
        notes: See :class:`PhotoRestoration`.
    """

    photo: np.ndarray
    faces: tuple[DetectedFace, ...]
    notes: tuple[str, ...] = ()

    def files(self, kind: str) -> dict[str, np.ndarray | None]:
        """The photo, for the kind ``preview``."""
        return {'': self.photo} if kind == 'preview' else {}

    def record(self) -> dict[str, Any]:
        """Further values for the manifest, JSON-serialisable."""
        found = len({face.crop for face in self.faces})
        return {'faces': list(map(_described, self.faces)), 'found': found, 'notes': list(self.notes)}


class PhotoPreview:
    """Marks the faces that a :class:`PhotoRestorer` would restore, without restoring them."""

    @checked
    def __init__(self, photos: PhotoRestorer) -> None:
        self.photos = photos
        self.fingerprint = photos.fingerprint

    def restore(self, images: Sequence[np.ndarray], names: Sequence[str]) -> list[FacePreview]:
        """Mark the faces of photos, for :func:`~rainrestore.apis.restore_files`."""
        return [self.preview(image, name) for image, name in zip(images, names, strict=True)]

    def preview(self, photo: np.ndarray, name: str = 'the photo') -> FacePreview:
        """Mark the faces of one H x W x 3 uint8 photo.

        Raises:
            ImageError: No face is found.
        """
        faces, _ = self.photos.found_in(photo, name)
        notes, _ = restorable(faces, photo)
        return FacePreview(draw_faces(photo, faces), tuple(faces), tuple(notes))


def with_strength(photo: np.ndarray, result: np.ndarray, strength: float) -> np.ndarray:
    """Apply a share of the changes of a photo, both H x W x 3 uint8: ``photo + strength * (result - photo)``."""
    return result if strength == 1 else cv2.addWeighted(result, strength, photo, 1 - strength, 0)


@checked
def draw_faces(photo: np.ndarray, faces: Sequence[DetectedFace]) -> np.ndarray:
    """A copy of an H x W x 3 uint8 photo with the square of each face and its number."""
    check_photo(photo)
    marked = photo.copy()
    shorter, longest = sorted(photo.shape[:2])
    thickness = max(round(longest / 600), 1)
    for face in faces:
        corners = np.rint(face.crop.corners() - 0.5).astype(np.int32)
        for colour, width in ((OUTLINE, 3 * thickness), (MARK, thickness)):
            cv2.polylines(marked, [corners], isClosed=True, color=colour, thickness=width, lineType=cv2.LINE_AA)
    # The numbers are legible in a copy of a few hundred pixels, and above all squares.
    size = max(min(longest / 700, shorter / 150), 0.4)
    stroke = max(round(2 * size), 1)
    for number, face in enumerate(faces):
        left, top = np.rint(face.crop.corners()[0]).astype(int).tolist()
        (width, height), _ = cv2.getTextSize(str(number), cv2.FONT_HERSHEY_SIMPLEX, size, stroke)
        # Above the square, or in it at the upper border of the photo.
        bottom = top - 3 * thickness if top >= height + 5 * thickness else max(top, 0) + height + 4 * thickness
        place = min(max(left, 0), photo.shape[1] - width), bottom
        for colour, line in ((OUTLINE, 3 * stroke), (MARK, stroke)):
            cv2.putText(marked, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, line, cv2.LINE_AA)
    return marked


def _described(face: DetectedFace | RestoredFace) -> dict[str, float]:
    return {**vars(face.crop), 'score': round(face.score, 4)}


def restorable(faces: Sequence[DetectedFace], photo: np.ndarray) -> tuple[list[str], list[DetectedFace]]:
    """Find the faces that can be restored.

    Args:
        faces: Faces of the photo.
        photo: H x W x 3.

    Returns:
        Notes on faces that are outside of the photo, at its border, too small or listed twice, and the faces that can
        be restored.
    """
    height, width = photo.shape[:2]
    notes, kept = [], []
    for number, face in enumerate(faces):
        crop, note = face.crop, ''
        if any(crop == other.crop for other in faces[:number]):
            note = 'is listed twice; the second is ignored'
        elif round(crop.side) < SMALLEST_SIDE:
            note = f'is {crop.side:.0f} pixels wide, too small to restore, and was not changed'
        elif not (0 <= crop.x < width and 0 <= crop.y < height):
            note = f'is outside of the {width}x{height} photo and was not changed'
        elif (inside := crop.inside(width, height)) < LEAST_INSIDE:
            note = f'has {inside:.0%} of its square in the photo and was not changed'
        else:
            kept.append(face)
            if inside < MOSTLY_INSIDE:
                note = f'is at the border: {1 - inside:.0%} of its square is filled with the mirrored photo'
        if note:
            notes.append(f'{place_of(crop)} {note}')
    return notes, kept


def place_of(crop: FaceCrop) -> str:
    """The name of a face in notes."""
    return f'the face at ({crop.x:.0f}, {crop.y:.0f})'
