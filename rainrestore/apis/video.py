"""Video: track, restore and blend faces, in parts that are stored, so that an interrupted run can be resumed."""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np

from rainrestore.apis.ahead import ahead
from rainrestore.apis.derain import Derained
from rainrestore.apis.kinds import kind_of
from rainrestore.apis.photos import EstimatedFace, PhotoRestorer, RestoredFace, restorable
from rainrestore.apis.video_files import VideoFormat, VideoFrame, VideoReader, join_parts, write_part
from rainrestore.apis.video_streams import CONTAINERS
from rainrestore.arguments import checked
from rainrestore.errors import ImageError, ImageFileError, OptionError
from rainrestore.faces import DetectedFace, FaceCrop
from rainrestore.faces.tracking import FaceAverage, FaceTracker
from rainrestore.files import check_place, make_folder, sha256_of, write_text
from rainrestore.threads import divided_threads

#: Restored frames, in the pixel aspect of the video, their faces, and whether a frame differs from the input.
Restored: TypeAlias = Generator[tuple[VideoFrame, tuple[RestoredFace, ...], bool], None, None]

#: Side in pixels of the thumbnails for the detection of cuts (rain averages out at this size), and the mean difference
#: in [0, 1] between two thumbnails that counts as a cut.
THUMBNAIL = 16
CUT = 0.12
#: Margin around the last crop in which a tracked face is searched, as a fraction of its side.
AROUND = 0.5
#: Greatest number of frames, and of their pixels, in a batch and between two stages.
BATCH = 8
BATCH_PIXELS = 24_000_000
#: Names of the files of parts, whole and unfinished.
_PART = re.compile(r'\d{6}\.(mp4|json)|\.part-.*')
#: End of the message about a video without a face. It names an option of the command.
MARK_THE_FACES = '; mark them with --boxes FILE'
#: For a face with a larger tilt in degrees, the frame is rotated before the detection.
TILTED = 20


@checked
@dataclass(frozen=True)
class VideoSettings:
    """Settings for the restoration of a video.

    Attributes:
        search_every: Number of frames from one detection in the whole frame to the next; in the frames between, each
            face is searched around its last position. With 1, the whole frame is always searched, so that a new face is
            found in its first frame. This is slow, because the rain is removed from the frame first, unless the
            detector finds all tracked faces in the rain.
        part_frames: Number of frames per stored part; an interrupted run loses at most one part.
        hold: Seconds for which a face keeps its position after the detector has lost it.
        blend: Time constant in seconds of the average of restored faces; 0 for no average.

    Raises:
        OptionError: An invalid value.
    """

    search_every: int = 5
    part_frames: int = 100
    hold: float = 0.3
    blend: float = 0.12

    def __post_init__(self) -> None:
        if self.search_every < 1 or self.part_frames < 1 or not (self.hold >= 0 and self.blend >= 0):
            raise OptionError(f'search_every and part_frames must be at least 1, hold and blend at least 0, got {self}')


@dataclass(frozen=True)
class VideoResult:
    """The result of a video.

    Attributes:
        frames: Number of frames.
        faces: Number of restored faces, over all frames.
        without: Number of frames without a face.
        notes: Notes on the result.
    """

    frames: int
    faces: int
    without: int
    notes: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Further values for the manifest, JSON-serialisable."""
        return {**vars(self), 'notes': list(self.notes)}


@dataclass(frozen=True, eq=False)
class FollowedFrame:
    """A frame with detected faces, not restored yet.

    Attributes:
        frame: The frame.
        photo: The frame, resampled to square pixels.
        clear: The photo without rain, if it is the background of the result.
        faces: The faces of the photo.
        numbers: An identifier of each face in the video.
        seconds: Time since the previous frame.
    """

    frame: VideoFrame
    photo: np.ndarray
    clear: Derained | None
    faces: tuple[DetectedFace, ...]
    numbers: tuple[int, ...]
    seconds: float


class FrameRestorer:
    """Restores the frames of one video in order, with tracked and temporally smoothed faces.

    There are two stages, which may run in two threads: :meth:`follow` finds the faces, :meth:`restore` restores the
    faces of several frames. The state between frames consists of the tracks, their averages and a thumbnail, so the
    memory does not depend on the length of the video.

    Args:
        photos: Detects and restores faces.
        settings: See :class:`VideoSettings`.
        fixed: Positions of the faces in every frame; replaces the detection.

    Attributes:
        notes: Notes on the faces of ``fixed`` that cannot be restored, or whose result is limited.
    """

    def __init__(
        self, photos: PhotoRestorer, settings: VideoSettings | None = None, fixed: Sequence[FaceCrop] | None = None
    ) -> None:
        self.photos = photos
        self.settings = settings or VideoSettings()
        self.fixed = fixed
        self.notes: list[str] = []
        self.tracker = FaceTracker(self.settings.hold)
        self.average = FaceAverage(self.settings.blend)
        self.thumbnail: np.ndarray | None = None
        self.time = 0.0
        self.searched = 0
        self.examined = self.rainy = 0

    def __call__(self, frame: VideoFrame) -> tuple[np.ndarray, list[FaceCrop]]:
        """Restore the next frame; returns it, H x W x 3 uint8, and the crops of its faces.

        A frame without faces is not changed, except for its background with ``background='derain'``.
        """
        ((pixels, faces),) = self.restore([self.follow(frame)])
        return pixels, [face.crop for face in faces]

    def restore(self, followed: Sequence[FollowedFrame]) -> list[tuple[np.ndarray, tuple[RestoredFace, ...]]]:
        """Restore the next frames, with their faces in common batches; returns pixels and faces of each frame."""
        names = [f'frame {entry.frame.number}' for entry in followed]
        estimated = self.photos.restore_crops(
            [entry.photo for entry in followed], [entry.faces for entry in followed], names
        )
        return [self._paste(*entry) for entry in zip(followed, estimated, names, strict=True)]

    def _paste(
        self, followed: FollowedFrame, estimated: Sequence[EstimatedFace], name: str
    ) -> tuple[np.ndarray, tuple[RestoredFace, ...]]:
        numbers = {face.crop: number for face, number in zip(followed.faces, followed.numbers, strict=True)}
        self.average.keep(followed.numbers)

        def steady(face: DetectedFace, restored: np.ndarray) -> np.ndarray:
            return self.average(numbers[face.crop], restored, followed.seconds)

        result = self.photos.restore_faces(followed.photo, followed.faces, followed.clear, name, steady, estimated)
        if self.photos.observer is not None and followed.frame.number % self.settings.search_every == 0:
            self.examined += len(result.faces)
            self.rainy += len(self.photos.rain_left(followed.photo, result.faces))
        pixels = result.photo
        if followed.photo is not followed.frame.pixels:
            pixels = _changed(followed.frame.pixels, followed.photo, pixels)
        return pixels, result.faces

    def follow(self, frame: VideoFrame) -> FollowedFrame:
        """Find the faces of the next frame and update the tracks."""
        photo = _square(frame.pixels, frame.aspect)
        small = cv2.resize(photo, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
        first = self.thumbnail is None
        changed = 0.0 if first else float(np.abs(small.astype(float) - self.thumbnail).mean()) / 255
        if changed > CUT:
            self.tracker.forget()
        clear = self.photos.derain(photo) if self.photos.background == 'derain' else None
        if self.fixed is not None:
            self.notes, found = restorable([DetectedFace(crop) for crop in self.fixed], photo)
        elif first or changed > CUT or frame.number - self.searched >= self.settings.search_every:
            found = self._search(photo, clear, self.photos.turns if first else self._turns())
            self.searched = frame.number
        else:
            found = [face for track in self.tracker.faces() for face in self._near(photo, track.crop)]
        seconds = max(frame.time - self.time, 1e-3)
        self.tracker.update(found, seconds)
        self.thumbnail, self.time = small, frame.time
        faces, numbers = self.tracker.faces(), self.tracker.numbers()
        return FollowedFrame(frame, photo, clear, tuple(faces), tuple(numbers), seconds)

    def _search(self, photo: np.ndarray, clear: Derained | None, turns: Sequence[float]) -> list[DetectedFace]:
        """Detect the faces in the whole photo.

        Removing the rain from the whole photo is the slowest step. It is skipped if the detector finds all tracked
        faces in the rain, because it would then also find a new face.
        """
        followed = [face.crop for face in self.tracker.faces()]
        if followed and clear is None:
            found = self.photos.find(photo, None, turns)
            if all(any(face.crop.distance(crop) < max(face.crop.side, crop.side) / 2 for face in found)
                   for crop in followed):  # fmt: skip
                return found
        return self.photos.find(photo, clear or self.photos.derain(photo), turns)

    def _turns(self) -> tuple[float, ...]:
        return tuple({round(face.crop.angle) for face in self.tracker.faces() if abs(face.crop.angle) > TILTED})

    def _near(self, photo: np.ndarray, crop: FaceCrop) -> list[DetectedFace]:
        """Detect faces around a crop; returns the nearest, or an empty list."""
        height, width = photo.shape[:2]
        left, top, right, bottom = crop.bounds(width, height, round(AROUND * crop.side))
        part = np.ascontiguousarray(photo[top:bottom, left:right])
        if not part.size:
            return []
        turns = (round(crop.angle),) if abs(crop.angle) > TILTED else ()
        found = self.photos.find(part, None, turns) or self.photos.find(part, self.photos.derain(part), turns)
        moved = [replace(face, crop=replace(face.crop, x=face.crop.x + left, y=face.crop.y + top)) for face in found]
        return sorted(moved, key=lambda face: crop.distance(face.crop))[:1]

    def rain_left(self) -> list[str]:
        """A note on the rain over the faces, if the model does not remove rain. Some frames are examined."""
        if not self.rainy:
            return []
        finding = f'{self.rainy} of {self.examined} examined faces show rain'
        return [f'{finding}, which {self.photos.restorer.name} does not remove; use a model for the task faces']

    def state(self) -> dict[str, Any]:
        """The state between frames, JSON-serialisable."""
        return {
            'tracks': self.tracker.state(), 'averages': self.average.state(), 'time': self.time,
            'searched': self.searched, 'notes': self.notes, 'examined': self.examined, 'rainy': self.rainy,
            'thumbnail': None if self.thumbnail is None else self.thumbnail.tobytes().hex(),
        }  # fmt: skip

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restore a result of :meth:`state`."""
        self.tracker.restore_state(state['tracks'])
        self.average.restore_state(state['averages'])
        self.time, self.searched, self.notes = state['time'], state['searched'], state['notes']
        self.examined, self.rainy = state['examined'], state['rainy']
        if state['thumbnail'] is not None:
            pixels = np.frombuffer(bytes.fromhex(state['thumbnail']), np.uint8)
            self.thumbnail = pixels.reshape(THUMBNAIL, THUMBNAIL, 3)


@checked
def restore_video(
    photos: PhotoRestorer,
    source: str | Path,
    target: str | Path,
    settings: VideoSettings | None = None,
    *,
    work: str | Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> VideoResult:
    """Restore the faces in a video, and write a file with the same frames, times and audio.

    The parts of the video are stored in ``work`` until all are complete. A run with the same video, model and settings
    resumes after the last complete part, with the same result.

    Args:
        photos: Detects and restores faces; its ``boxes`` apply to every frame of the video.
        source: A video that FFmpeg reads. The first video stream is restored; audio and subtitles are copied.
        target: The result: ``.mp4``, ``.mov`` or ``.mkv``, H.264.
        settings: See :class:`VideoSettings`.
        work: Folder for the parts; default: ``target`` with ``.parts``. The parts are removed at the end, and the
            folder if it is empty then.
        progress: Called after each frame with the number of finished frames and of all frames (0 if unknown).

    Returns:
        The counts and notes.

    Raises:
        ImageFileError: The video cannot be read, or is an image.
        ImageError: No face is found in any frame, or no face can be restored; no file is written.
        WriteError: The result cannot be written; complete parts are kept.
        MissingPackageError: PyAV is not installed.
        OptionError: ``target`` has another suffix, or is ``source``.
    """
    source, target, settings = Path(source), Path(target), settings or VideoSettings()
    if target.suffix.lower() not in CONTAINERS:
        raise OptionError(f'{target}: the result must be a .mp4, .mov or .mkv file')
    if target.resolve() == source.resolve():
        raise OptionError(f'{target}: the result would replace the source; choose another file')
    check_place(target)
    work = Path(work) if work else target.with_name(f'{target.name}.parts')
    fixed = None
    if photos.boxes is not None:
        fixed = photos.boxes.get(source.resolve())
        if not fixed:
            raise ImageError(str(source), 'the file of boxes has no line for this video')
    if kind_of(source) == 'image':
        raise ImageFileError(source, 'is an image, not a video; restore it with photos(path)')
    with VideoReader(source) as reader:
        restorer = FrameRestorer(photos, settings, fixed)
        # With the keys of the state, because an older version of this package may have stored parts with others.
        identity = f'{photos.fingerprint} {settings} {list(restorer.state())} {sha256_of(source)}'
        parts = _Parts(work, hashlib.sha256(identity.encode()).hexdigest())
        if parts.state is not None:
            restorer.restore_state(parts.state)
        batch = max(min(BATCH, BATCH_PIXELS // reader.pixels), 1)
        # On a CPU, detection and restoration divide the cores.
        threads = divided_threads(2 if photos.restorer.device.type == 'cpu' else 1)
        with closing(ahead(reader.read(skip=parts.frames), batch)) as frames, threads:
            for frame in frames:
                part = itertools.chain([frame], itertools.islice(frames, settings.part_frames - 1))
                parts.add(restorer, _restored(restorer, part, batch, reader.frames, progress), reader.format)
        result = parts.result()
        if not result.frames:
            parts.remove()
            raise ImageFileError(source, 'none of its frames can be decoded')
        too_weak = bool(result.faces) and not parts.changed and photos.strength < 1
        if too_weak or not (result.faces or (parts.left and parts.changed and photos.background == 'derain')):
            parts.remove()
            reason = f'no face found in any of its {result.frames} frames{MARK_THE_FACES}'
            if too_weak:
                reason = f'the strength {photos.strength:g} is too small to change it; use a greater one'
            elif parts.left:
                reason = f'nothing to restore: {result.notes[-1]}'
            elif restorer.notes:
                reason = f'none of its faces can be restored: {"; ".join(restorer.notes)}'
            raise ImageError(str(source), '; '.join((reason, *reader.notes())))
        others = join_parts(parts.files_with_times(), source, target, reader.format)
        notes = (*result.notes, *restorer.notes, *restorer.rain_left(), *reader.notes(), *others)
        result = replace(result, notes=notes)
    parts.remove()
    return result


def _restored(
    restorer: FrameRestorer, frames: Iterator[VideoFrame], batch: int, total: int,
    progress: Callable[[int, int], object] | None,
) -> Restored:  # fmt: skip
    """The restored frames and their faces. One thread finds the faces, a second thread restores them."""

    def in_batches() -> Restored:
        with closing(ahead(map(restorer.follow, frames), batch)) as followed:
            while entries := list(itertools.islice(followed, batch)):
                for entry, (pixels, faces) in zip(entries, restorer.restore(entries), strict=True):
                    changed = not np.array_equal(pixels, entry.frame.pixels)
                    yield replace(entry.frame, pixels=pixels), faces, changed

    with closing(ahead(in_batches(), batch)) as restored:
        for item in restored:
            yield item
            if progress is not None:
                progress(item[0].number + 1, total)


def _square(pixels: np.ndarray, aspect: Fraction) -> np.ndarray:
    """An image resampled to square pixels; the same array if the pixels are square."""
    if aspect == 1:
        return pixels
    height, width = pixels.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)


def _changed(pixels: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Add the difference of two images with square pixels to an image with the original pixel aspect."""
    size = pixels.shape[1::-1]
    old, new = (cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.int16) for part in (before, after))
    return (pixels + new - old).clip(0, 255).astype(np.uint8)


class _Parts:
    """The finished parts of a video: for each part a video file, and a JSON file with its checksum and state.

    Only sums over the parts are kept in memory.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity
        self.count = self.frames = self.faces = self.left = self.without = self.changed = 0
        self.first_without = 0.0
        self.state: dict[str, Any] | None = None
        make_folder(folder)
        while (entry := self._entry(self.count)) is not None:
            self._sum_up(entry)

    def add(self, restorer: FrameRestorer, frames: Restored, style: VideoFormat) -> None:
        """Write one part, and the state of ``restorer`` after it."""
        #: Times of each frame, whether each of its faces was changed, and whether the frame was.
        done: list[tuple[int, float, list[bool], bool]] = []

        def restored() -> Iterator[VideoFrame]:
            for frame, shown, differs in frames:
                done.append((frame.pts, frame.time, [face.weight > 0 for face in shown], differs))
                yield frame

        file = self._file(self.count)
        with closing(frames):
            write_part(file, restored(), style)
        faces = [changed for _, _, shown, _ in done for changed in shown]
        entry = {
            'identity': self.identity, 'sha256': sha256_of(file), 'times': [pts for pts, *_ in done],
            'faces': sum(faces), 'left': len(faces) - sum(faces), 'changed': sum(differs for *_, differs in done),
            'bare': [time for _, time, shown, _ in done if not shown], 'state': restorer.state(),
        }  # fmt: skip
        write_text(file.with_suffix('.json'), json.dumps(entry))
        self._sum_up(entry)

    def _sum_up(self, entry: dict[str, Any]) -> None:
        if entry['bare'] and not self.without:
            self.first_without = entry['bare'][0]
        self.count += 1
        self.frames += len(entry['times'])
        self.faces += entry['faces']
        self.left += entry['left']
        self.changed += entry['changed']
        self.without += len(entry['bare'])
        self.state = entry['state']

    def result(self) -> VideoResult:
        """The sums over the parts, and notes."""
        notes = []
        if self.without:
            first = f'the first at {self.first_without:.2f} s'
            notes.append(f'no face found in {self.without} of {self.frames} frames, {first}')
        if self.left:
            total = self.faces + self.left
            notes.append(f'{self.left} of {total} faces (over all frames) show no detectable rain, or rain that is too '
                         'weak to remove, and were not restored')  # fmt: skip
        return VideoResult(self.frames, self.faces, self.without, tuple(notes))

    def files_with_times(self) -> Iterator[tuple[Path, list[int]]]:
        """The video file of each part and the times of its frames."""
        for number in range(self.count):
            file = self._file(number)
            yield file, json.loads(file.with_suffix('.json').read_text(encoding='utf-8'))['times']

    def remove(self) -> None:
        """Remove all parts, also those of other runs, and the folder if it has no other files."""
        for file in self.folder.iterdir():
            if _PART.fullmatch(file.name):
                file.unlink()
        with suppress(OSError):
            self.folder.rmdir()

    def _file(self, number: int) -> Path:
        return self.folder / f'{number:06d}.mp4'

    def _entry(self, number: int) -> dict[str, Any] | None:
        """The record of a finished part, or None."""
        file = self._file(number)
        try:
            entry = json.loads(file.with_suffix('.json').read_text(encoding='utf-8'))
            whole = entry['identity'] == self.identity and entry['sha256'] == sha256_of(file)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return entry if whole else None
