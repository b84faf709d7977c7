"""Results of photos and videos, computed independently of Gradio."""

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from rainrestore.apis import TASKS, ImageError, PhotoRestorer, Restorer, VideoResult, draw_faces, restore_video
from rainrestore.apis.kinds import kind_of
from rainrestore.apis.photos import MARK_THE_FACE, Background, RestoredFace, place_of, with_strength
from rainrestore.apis.video import MARK_THE_FACES
from rainrestore.apis.video_files import VideoReader
from rainrestore.errors import ConfigError, ImageFileError
from rainrestore.faces import DetectedFace, FaceCrop
from rainrestore.image_io import Photo, StrPath, encode_png
from rainrestore.web.views import read_upload

#: Model -> its purpose. The page also offers the model of --model.
MODELS = {
    'fcg_gan_x4': "the paper's network: rain and veil of rain_v1",
    'fcg_gan_plus_x4': 'improved network: highest PSNR in rain_v1',
    'fcg_gan_blind_x4': 'rain or haze of any strength, blur, noise, JPEG',
    'hifacegan_128': 'no rain: blurred, noisy or compressed faces',
}
#: Maximum duration and file size of a video.
MAX_CLIP_SECONDS = 20
MAX_CLIP_BYTES = 60 * 2**20
#: Smallest strength; with 0, the result would be the input.
LEAST_STRENGTH = 0.05
#: Longest side in pixels of the photo with marked faces.
SHOWN = 1200


@dataclass(frozen=True, eq=False)
class PhotoView:
    """A restored photo.

    Attributes:
        name: File name without suffix.
        given: The input.
        after: The photo with restored faces, H x W x 3 uint8 RGB.
        faces: Number in the marked photo -> selected face.
        notes: Notes on the result.
    """

    name: str
    given: Photo
    after: np.ndarray
    faces: dict[int, RestoredFace]
    notes: list[str]

    def write(self, folder: Path) -> list[Path]:
        """Write the photo, and a zip archive with the faces and maps, to ``folder``; return both paths.

        All images are PNG. The photo keeps its transparency and stays grey if it was. J has 8 bits; S, T and A have 16
        bits, value / 65535.
        """
        photo, archive = folder / f'{self.name}_restored.png', folder / f'{self.name}_faces.zip'
        photo.write_bytes(encode_png(self.given.as_given(self.after)))
        with zipfile.ZipFile(archive, 'w') as packed:
            for number, face in self.faces.items():
                for kind, place in {'restored': 'faces', 'J': 'J', 'S': 'S', 'T': 'T', 'A': 'A'}.items():
                    pixels = face.restoration.files(kind)['']
                    if pixels is not None:
                        packed.writestr(f'{place}/{number}.png', encode_png(pixels))
        return [photo, archive]


class PhotoDesk:
    """Finds and restores faces in uploaded photos and videos.

    Args:
        restorer: The default model of the page.

    Raises:
        ConfigError: The model does not restore faces.
    """

    def __init__(self, restorer: Restorer) -> None:
        if not TASKS[restorer.task].finds_faces:
            whole = f'{restorer.name} restores whole images (rainrestore restore --task {restorer.task})'
            raise ConfigError(f'{whole}; the page needs a model for faces, such as {TASKS["faces"].model}')
        self.restorer = restorer
        # At most two, because each has a network in memory.
        self.photos = lru_cache(2)(self._photos)

    def models(self) -> dict[str, str]:
        """Model -> its purpose; the default model first."""
        own = self.restorer.name
        return {own: MODELS.get(own, 'the model of --model'), **MODELS}

    def _photos(self, model: str, background: Background) -> PhotoRestorer:
        if model not in self.models():
            raise ConfigError(f'{model}: choose one of {", ".join(self.models())}')
        same = model == self.restorer.name
        restorer = self.restorer if same else Restorer(model, device=self.restorer.device)
        return PhotoRestorer(restorer, background=background)

    def find(self, path: StrPath) -> tuple[np.ndarray, list[DetectedFace]]:
        """Detect the faces in an uploaded photo; return the photo, reduced, with marked faces, and the faces.

        Raises:
            ImageFileError: The upload is too large or cannot be read.
            ImageError: No face is found.
        """
        photo = read_upload(path).pixels
        try:
            faces, _ = self.photos(self.restorer.name, 'auto').found_in(photo, Path(path).name)
        except ImageError as error:
            reason = error.reason.replace(MARK_THE_FACE, '; a cropped face belongs in the tab Cropped face')
            raise ImageError(Path(path).name, reason) from error
        shown = shrunk(photo, SHOWN)
        ratio = shown.shape[1] / photo.shape[1]
        # Marked after the reduction, so that the numbers are legible.
        small = [replace(face, crop=face.crop.scaled(ratio)) for face in faces]
        return draw_faces(shown, small), faces

    def restore(
        self,
        path: StrPath,
        crops: Sequence[FaceCrop],
        chosen: Sequence[int],
        model: str,
        background: Background = 'auto',
        strength: float = 1.0,
    ) -> PhotoView:
        """Restore the selected faces of an uploaded photo.

        Args:
            path: The uploaded file.
            crops: The faces that :meth:`find` returned.
            chosen: Indices of the faces to restore.
            model: A key of :meth:`models`.
            background: As for :class:`~rainrestore.apis.PhotoRestorer`.
            strength: Share of the correction, :data:`LEAST_STRENGTH` to 1.

        Raises:
            ConfigError: No face is selected, the model is unknown, or the strength is out of range.
            ImageFileError: The upload is too large or cannot be read.
            ImageError: None of the faces can be restored.
        """
        if not crops:
            raise ConfigError('The faces of this photo are not known: wait for the search, or drop another photo.')
        if not chosen:
            raise ConfigError('Choose at least one face.')
        if not set(chosen) <= set(range(len(crops))):
            raise ConfigError('These are not the faces of this photo: drop the photo again.')
        if not LEAST_STRENGTH <= strength <= 1:
            raise ConfigError(f'Strength: expected {LEAST_STRENGTH} to 1, got {strength!r}')
        given = read_upload(path)
        photo = given.pixels
        numbers = {crops[number]: number for number in sorted(chosen)}
        name = Path(path).name
        places = {place_of(crop): number for crop, number in numbers.items()}
        try:
            result = self.photos(model, background).restore_photo(photo, name, list(numbers))
        except ImageError as error:
            start, colon, notes = error.reason.partition(f': {FACE}')
            if colon:
                start = f'{start}: {"; ".join(by_face(re.split(f"; (?={FACE})", FACE + notes), places))}'
            raise ImageError(name, start) from error
        after = with_strength(photo, result.photo, strength)
        if np.array_equal(after, photo):
            raise ImageError(name, f'the strength {strength:g} is too small to change it; use a greater one')
        faces = {numbers[face.crop]: face for face in result.faces}
        return PhotoView(Path(path).stem, given, after, faces, by_face(result.notes, places))

    def restore_clip(
        self,
        path: StrPath,
        folder: Path,
        model: str,
        background: Background = 'keep',
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[Path, VideoResult]:
        """Restore an uploaded video and write it to ``folder`` as MP4.

        Args:
            path: The uploaded file.
            folder: Folder for the result.
            model: A key of :meth:`models`.
            background: ``keep``, or ``derain`` to remove the rain outside of the faces.
            progress: Called with the number of finished frames and the number of all frames.

        Raises:
            ImageError: The file is too long, too large or not a video, or no face is found. The message has the file
                name without the folder of the server.
        """
        source = Path(path)
        target = folder / f'{source.stem}_restored.mp4'
        try:
            if kind_of(source) == 'image':
                raise ImageFileError(source, 'is an image; use the tab Photo')
            if source.stat().st_size > MAX_CLIP_BYTES:
                raise ImageFileError(source, f'exceeds the limit of {MAX_CLIP_BYTES / 2**20:.0f} MB; shorten it first')
            with VideoReader(source) as reader:
                longest = MAX_CLIP_SECONDS * reader.format.rate
                if reader.seconds > MAX_CLIP_SECONDS or reader.frames > longest * 1.02:
                    remedy = 'cut it, or use rainrestore restore'
                    raise ImageFileError(source, f'is longer than {MAX_CLIP_SECONDS} s; {remedy}')
            return target, restore_video(self.photos(model, background), source, target, progress=progress)
        except (ImageFileError, ImageError) as error:
            raise ImageError(source.name, error.reason.replace(MARK_THE_FACES, '')) from error


#: The beginning of a note on a face, see :func:`~rainrestore.apis.photos.place_of`.
FACE = 'the face at '


def by_face(notes: Sequence[str], places: Mapping[str, int]) -> list[str]:
    """Name the faces in notes by their numbers; one note for the faces with the same finding.

    Args:
        notes: Notes of a :class:`~rainrestore.apis.PhotoRestorer`.
        places: The name of a face in notes -> its number.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    others = []
    for note in notes:
        place = next((place for place in places if note.startswith(f'{place} ')), None)
        if place is None:
            others.append(note)
            continue
        text = note.removeprefix(f'{place} ')
        found.setdefault(re.sub(r' \(T = [^)]*\)', '', text), []).append((places[place], text))
    named = []
    for text, entries in found.items():
        numbers = ', '.join(str(number) for number, _ in entries)
        named.append(f'face {numbers} {entries[0][1]}' if len(entries) == 1 else f'faces {numbers}: each {text}')
    return named + others


def shrunk(pixels: np.ndarray, longest: int) -> np.ndarray:
    """Shrink an image whose longer side exceeds ``longest`` pixels to this side."""
    ratio = longest / max(pixels.shape[:2])
    if ratio >= 1:
        return pixels
    width, height = (max(round(side * ratio), 1) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
