"""Clips: faces followed from frame to frame, restored and pasted back, part by part, so that a stopped run goes on."""

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np

from rainrestore.apis.ahead import ahead
from rainrestore.apis.photos import PhotoRestorer, RestoredFace
from rainrestore.apis.restorer import Restoration
from rainrestore.apis.video_files import VideoFormat, VideoFrame, VideoReader, join_parts, write_part
from rainrestore.errors import ImageFileError, PictureError
from rainrestore.faces import DetectedFace, FaceCrop
from rainrestore.faces.tracking import FaceAverage, FaceTracker
from rainrestore.files import sha256_of, whole_file
from rainrestore.threads import divided_threads

#: Frames as they are stored, and their faces.
Restored: TypeAlias = Generator[tuple[VideoFrame, tuple[RestoredFace, ...]], None, None]

#: Side of the copy of a frame by which cuts are told, and the mean difference (of 1) between two that is one: rain
#: averages out at this size.
THUMBNAIL = 16
CUT = 0.12
#: A face that is followed is looked for within this many sides around the last crop.
AROUND = 0.5
#: Frames that are restored together and wait between two stages, and their pixels, which bound it for large ones.
BATCH = 8
BATCH_PIXELS = 24_000_000
#: A head that is tilted by more than this, in degrees, is turned upright to be found again.
TILTED = 20


@dataclass(frozen=True)
class VideoSettings:
    """How a clip is worked through.

    Attributes:
        search_every: frames from one search of the whole frame to the next; between them faces are followed. 1 finds a
            new face at once, and costs the removal of the rain from the whole of each frame.
        part_frames: frames a part; a run that is stopped loses the part that it is at.
        hold: seconds for which a face that is not found keeps its place.
        blend: seconds over which restored faces are averaged; 0 shows each frame's own.
    """

    search_every: int = 5
    part_frames: int = 100
    hold: float = 0.3
    blend: float = 0.12

    def __post_init__(self) -> None:
        if self.search_every < 1 or self.part_frames < 1 or not (self.hold >= 0 and self.blend >= 0):
            raise ValueError(f'search_every and part_frames are at least 1, hold and blend at least 0, got {self}')


@dataclass(frozen=True)
class VideoResult:
    """The outcome of a clip.

    Attributes:
        frames: how many it has.
        faces: how many were restored, over all frames.
        without: how many frames show none.
        notes: Notes on the result, in words.
    """

    frames: int
    faces: int
    without: int
    notes: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Further values for the manifest, JSON-able."""
        return {**vars(self), 'notes': list(self.notes)}


@dataclass(frozen=True, eq=False)
class FollowedFrame:
    """A frame whose faces are found and not restored yet.

    Attributes:
        frame: It.
        photo: Its pixels, stretched to square ones if they are not.
        clear: The photo without rain, where that is to be the background.
        faces: Of the photo.
        numbers: An identifier of each face in the clip.
        seconds: Since the frame before.
    """

    frame: VideoFrame
    photo: np.ndarray
    clear: np.ndarray | None
    faces: tuple[DetectedFace, ...]
    numbers: tuple[int, ...]
    seconds: float


class FrameRestorer:
    """Restores the frames of one clip, one after the other, with the faces followed and smoothed.

    Two stages, which may run in two threads: :meth:`follow` finds the faces, :meth:`restore` restores those of several
    frames together. Memory does not grow with the clip: from frame to frame there are the tracks, their averages and a
    thumbnail.

    Args:
        photos: finds and restores faces.
        settings: see :class:`VideoSettings`.
        fixed: where the faces are in every frame, instead of looking for them.
    """

    def __init__(
        self, photos: PhotoRestorer, settings: VideoSettings | None = None, fixed: Sequence[FaceCrop] | None = None
    ) -> None:
        self.photos = photos
        self.settings = settings or VideoSettings()
        self.fixed = fixed
        self.tracker = FaceTracker(self.settings.hold)
        self.average = FaceAverage(self.settings.blend)
        self.thumbnail: np.ndarray | None = None
        self.time = 0.0
        self.searched = 0

    def __call__(self, frame: VideoFrame) -> tuple[np.ndarray, list[FaceCrop]]:
        """The next frame restored, H x W x 3 uint8, and the crops of its faces; without one it is as it was.

        (Or without rain, if that is asked for.)
        """
        ((pixels, faces),) = self.restore([self.follow(frame)])
        return pixels, [face.crop for face in faces]

    def restore(self, followed: Sequence[FollowedFrame]) -> list[tuple[np.ndarray, tuple[RestoredFace, ...]]]:
        """The next frames and their faces, which go through the network in the same batches."""
        names = [f'frame {entry.frame.number}' for entry in followed]
        restorations = self.photos.restore_crops(
            [entry.photo for entry in followed], [entry.faces for entry in followed], names
        )
        return [self._paste(*entry) for entry in zip(followed, restorations, names, strict=True)]

    def _paste(
        self, followed: FollowedFrame, restorations: Sequence[Restoration], name: str
    ) -> tuple[np.ndarray, tuple[RestoredFace, ...]]:
        numbers = {face.crop: number for face, number in zip(followed.faces, followed.numbers, strict=True)}
        self.average.keep(followed.numbers)

        def steady(face: DetectedFace, restored: np.ndarray) -> np.ndarray:
            return self.average(numbers[face.crop], restored, followed.seconds)

        result = self.photos.restore_faces(followed.photo, followed.faces, followed.clear, name, steady, restorations)
        pixels = result.photo
        if followed.photo is not followed.frame.pixels:
            pixels = _changed(followed.frame.pixels, followed.photo, pixels)
        return pixels, result.faces

    def follow(self, frame: VideoFrame) -> FollowedFrame:
        """Bring the tracks up to the next frame."""
        photo = _square(frame.pixels, frame.aspect)
        small = cv2.resize(photo, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
        first = self.thumbnail is None
        changed = 0.0 if first else float(np.abs(small.astype(float) - self.thumbnail).mean()) / 255
        if changed > CUT:
            self.tracker.forget()
        clear = self.photos.clear(photo) if self.photos.background == 'derain' else None
        if self.fixed is not None:
            found = [DetectedFace(crop) for crop in self.fixed]
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

    def _search(self, photo: np.ndarray, clear: np.ndarray | None, turns: Sequence[float]) -> list[DetectedFace]:
        """The faces of the whole photo.

        To remove the rain from all of it takes longer than anything else. It is not done where the detector sees every
        face that is followed through the rain, and so would see a new one.
        """
        followed = [face.crop for face in self.tracker.faces()]
        if followed and clear is None:
            found = self.photos.find(photo, None, turns)
            if all(any(_same(face.crop, crop) for face in found) for crop in followed):
                return found
        return self.photos.find(photo, self.photos.clear(photo) if clear is None else clear, turns)

    def _turns(self) -> tuple[float, ...]:
        return tuple({round(face.crop.angle) for face in self.tracker.faces() if abs(face.crop.angle) > TILTED})

    def _near(self, photo: np.ndarray, crop: FaceCrop) -> list[DetectedFace]:
        """The face found around a crop that is nearest to it, if any."""
        height, width = photo.shape[:2]
        left, top, right, bottom = crop.bounds(width, height, round(AROUND * crop.side))
        part = np.ascontiguousarray(photo[top:bottom, left:right])
        if not part.size:
            return []
        turns = (round(crop.angle),) if abs(crop.angle) > TILTED else ()
        found = self.photos.find(part, None, turns) or self.photos.find(part, self.photos.clear(part), turns)
        moved = [
            DetectedFace(FaceCrop(face.crop.x + left, face.crop.y + top, face.crop.side, face.crop.angle), face.score)
            for face in found
        ]
        moved.sort(key=lambda face: np.hypot(face.crop.x - crop.x, face.crop.y - crop.y))
        return moved[:1]

    def state(self) -> dict[str, Any]:
        """All that later frames depend on, JSON-able."""
        return {
            'tracks': self.tracker.state(), 'averages': self.average.state(), 'time': self.time,
            'searched': self.searched,
            'thumbnail': None if self.thumbnail is None else self.thumbnail.tobytes().hex(),
        }  # fmt: skip

    def restore_state(self, state: dict[str, Any]) -> None:
        """Continue from a :meth:`state`."""
        self.tracker.restore_state(state['tracks'])
        self.average.restore_state(state['averages'])
        self.time, self.searched = state['time'], state['searched']
        if state['thumbnail'] is not None:
            pixels = np.frombuffer(bytes.fromhex(state['thumbnail']), np.uint8)
            self.thumbnail = pixels.reshape(THUMBNAIL, THUMBNAIL, 3)


def restore_video(
    photos: PhotoRestorer,
    source: str | Path,
    target: str | Path,
    settings: VideoSettings | None = None,
    *,
    work: str | Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> VideoResult:
    """Restore the faces in a clip: a file at ``target`` with the same frames, times and audio.

    The clip is worked through in parts that are kept in ``work`` until all are there. Run again after an interruption,
    with the same clip, model and settings, it goes on after the last whole part, and the result is the same.

    Args:
        photos: Finds and restores faces; its ``boxes`` hold for every frame of the clip.
        source: any video that FFmpeg reads; its first video stream, and all of its audio, which is copied.
        target: ``.mp4``, ``.mov`` or ``.mkv``; H.264.
        settings: see :class:`VideoSettings`.
        work: folder for the parts, by default ``target`` with ``.parts``; removed at the end.
        progress: called after each frame with the frames done and how many there are (0 if that is not known).

    Raises:
        ImageFileError: the clip cannot be read.
        PictureError: no face is found in any of its frames; no file is written then.
        OSError: the result cannot be written; the parts that are whole stay.
        MissingPackageError: PyAV is not installed.
    """
    source, target, settings = Path(source), Path(target), settings or VideoSettings()
    if target.suffix not in ('.mp4', '.mov', '.mkv'):
        raise ValueError(f'{target}: the result is a .mp4, .mov or .mkv file')
    work = Path(work) if work else target.with_name(f'{target.name}.parts')
    fixed = None
    if photos.boxes is not None:
        fixed = photos.boxes.get(source.resolve())
        if not fixed:
            raise PictureError(str(source), 'the file of boxes has no line for it')
    with VideoReader(source) as reader:
        identity = f'{photos.fingerprint} {settings} {sha256_of(source)}'
        restorer = FrameRestorer(photos, settings, fixed)
        parts = _Parts(work, hashlib.sha256(identity.encode()).hexdigest())
        if parts.state is not None:
            restorer.restore_state(parts.state)
        batch = max(min(BATCH, BATCH_PIXELS // reader.pixels), 1)
        with closing(ahead(reader.read(skip=parts.frames), batch)) as frames, _threads(photos):
            for frame in frames:
                part = itertools.chain([frame], itertools.islice(frames, settings.part_frames - 1))
                restored = _restored(restorer, part, batch)
                parts.add(restorer, _counted(restored, reader.frames, progress), reader.format)
        result = parts.result()
        if not result.frames:
            shutil.rmtree(work)
            raise ImageFileError(source, 'none of its frames can be decoded')
        if not result.faces and not (parts.left and photos.background == 'derain'):
            shutil.rmtree(work)
            reason = f'no face found in any of its {result.frames} frames; mark them with --boxes FILE'
            if parts.left:
                reason = f'nothing to restore: {result.notes[-1]}'
            raise PictureError(str(source), reason)
        others = join_parts(parts.files_with_times(), source, target, reader.format)
        result = replace(result, notes=(*result.notes, *reader.notes(), *others))
    shutil.rmtree(work)
    return result


def _restored(restorer: FrameRestorer, frames: Iterator[VideoFrame], batch: int) -> Restored:
    """The restored frames and their faces: one thread finds the faces, another restores them, this one takes them."""

    def in_batches() -> Restored:
        with closing(ahead(map(restorer.follow, frames), batch)) as followed:
            while entries := list(itertools.islice(followed, batch)):
                for entry, (pixels, faces) in zip(entries, restorer.restore(entries), strict=True):
                    yield replace(entry.frame, pixels=pixels), faces

    with closing(ahead(in_batches(), batch)) as restored:
        yield from restored


def _counted(restored: Restored, total: int, progress: Callable[[int, int], object] | None) -> Restored:
    with closing(restored):
        for frame, faces in restored:
            yield frame, faces
            if progress is not None:
                progress(frame.number + 1, total)


def _threads(photos: PhotoRestorer) -> AbstractContextManager[None]:
    """On a CPU finding and restoring share its cores."""
    return divided_threads(2) if photos.restorer.device.type == 'cpu' else nullcontext()


def _same(first: FaceCrop, second: FaceCrop) -> bool:
    return float(np.hypot(first.x - second.x, first.y - second.y)) < max(first.side, second.side) / 2


def _square(pixels: np.ndarray, aspect: Fraction) -> np.ndarray:
    """A picture stretched to square pixels, in which faces have their shape; the same array if they are."""
    if aspect == 1:
        return pixels
    height, width = pixels.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)


def _changed(pixels: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The picture with the difference of two stretched ones; it is the same where these are."""
    size = pixels.shape[1::-1]
    old, new = (cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.int16) for part in (before, after))
    return (pixels + new - old).clip(0, 255).astype(np.uint8)


class _Parts:
    """The parts of a clip that are done: a video file each, and a JSON file that vouches for it.

    Of each, only the sums are kept in memory.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity
        self.count = self.frames = self.faces = self.left = self.without = 0
        self.first_without = 0.0
        self.state: dict[str, Any] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        while (entry := self._entry(self.count)) is not None:
            self._sum_up(entry)

    def add(self, restorer: FrameRestorer, frames: Restored, style: VideoFormat) -> None:
        """Keep one part, and the state in which it leaves ``restorer``."""
        times: list[int] = []
        faces = left = 0
        bare: list[float] = []

        def restored() -> Iterator[VideoFrame]:
            nonlocal faces, left
            for frame, shown in frames:
                times.append(frame.pts)
                changed = sum(face.weight > 0 for face in shown)
                faces += changed
                left += len(shown) - changed
                if not shown:
                    bare.append(frame.time)
                yield frame

        file = self._file(self.count)
        with closing(frames):
            write_part(file, restored(), style)
        entry = {
            'identity': self.identity, 'sha256': sha256_of(file), 'times': times, 'faces': faces, 'left': left,
            'bare': bare,
            'state': restorer.state(),
        }  # fmt: skip
        with whole_file(file.with_suffix('.json')) as temporary:
            temporary.write_text(json.dumps(entry), encoding='utf-8')
        self._sum_up(entry)

    def _sum_up(self, entry: dict[str, Any]) -> None:
        if entry['bare'] and not self.without:
            self.first_without = entry['bare'][0]
        self.count += 1
        self.frames += len(entry['times'])
        self.faces += entry['faces']
        self.left += entry['left']
        self.without += len(entry['bare'])
        self.state = entry['state']

    def result(self) -> VideoResult:
        """The sums over the parts."""
        notes = []
        if self.without:
            first = f'the first at {self.first_without:.2f} s'
            notes.append(f'{self.without} of {self.frames} frames show no face that is found, {first}')
        if self.left:
            total = self.faces + self.left
            notes.append(f'{self.left} of {total} faces, over all frames, show no rain that the model knows, and were '
                         'left as they are')  # fmt: skip
        return VideoResult(self.frames, self.faces, self.without, tuple(notes))

    def files_with_times(self) -> Iterator[tuple[Path, list[int]]]:
        """Each part's video and the times of its frames."""
        for number in range(self.count):
            file = self._file(number)
            yield file, json.loads(file.with_suffix('.json').read_text(encoding='utf-8'))['times']

    def _file(self, number: int) -> Path:
        return self.folder / f'{number:06d}.mp4'

    def _entry(self, number: int) -> dict[str, Any] | None:
        """The record of a finished part, if there is one."""
        file = self._file(number)
        try:
            entry = json.loads(file.with_suffix('.json').read_text(encoding='utf-8'))
            whole = entry['identity'] == self.identity and entry['sha256'] == sha256_of(file)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return entry if whole else None
