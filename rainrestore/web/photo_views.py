"""What the page makes of whole photos and of clips, computed without it."""

import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from rainrestore.apis import PhotoRestorer, PictureError, Restorer, VideoResult, draw_faces, restore_video
from rainrestore.apis.photos import Background, RestoredFace
from rainrestore.apis.video_files import VideoReader
from rainrestore.errors import ConfigError, ImageFileError
from rainrestore.faces import DetectedFace, FaceCrop, cut
from rainrestore.image_io import Photo, encode_png, sixteen_bit
from rainrestore.physics import quantise
from rainrestore.web.views import Pictures, read_upload

#: Models that are offered beside the one that the page was started with, and what each is for.
MODELS = {
    'fcg_gan_x4': "the paper's network: rain and veil of rain_v1",
    'fcg_gan_plus_x4': 'the same, trained further: nearest to the truth in rain_v1',
    'fcg_gan_blind_x4': 'rain or haze of any strength, blur, noise, JPEG',
    'hifacegan_128': 'no rain: blurred, noisy or compressed faces',
}
#: A clip may have this length, and a file of it this size.
MAX_CLIP_SECONDS = 20
MAX_CLIP_BYTES = 60 * 2**20


@dataclass(frozen=True, eq=False)
class FaceView:
    """One restored face of a photo.

    Attributes:
        number: As it is drawn in the photo.
        before: The face as it was in the photo, n x n x 3 uint8.
        after: As it is now.
        maps: What the network reads from it, by title.
    """

    number: int
    before: np.ndarray
    after: np.ndarray
    maps: Pictures


@dataclass(frozen=True, eq=False)
class PhotoView:
    """A restored photo as the page shows it.

    Attributes:
        name: The file's stem.
        given: The photo before.
        after: Its pixels with the faces restored, H x W x 3 uint8 RGB.
        faces: Those that were chosen.
        restored: The same, with all that the network predicts.
        notes: In sentences.
    """

    name: str
    given: Photo
    after: np.ndarray
    faces: list[FaceView]
    restored: list[RestoredFace]
    notes: list[str]

    @property
    def before(self) -> np.ndarray:
        """Pixels of the photo before, H x W x 3 uint8 RGB."""
        return self.given.pixels

    def write(self, folder: Path) -> list[Path]:
        """The photo as PNG, as grey and as transparent as it came, and an archive of faces and maps.

        All are PNG: J has 8 bits; S, T and A have 16, value / 65535.
        """
        photo, archive = folder / f'{self.name}_restored.png', folder / f'{self.name}_faces.zip'
        photo.write_bytes(encode_png(self.given.as_given(self.after)))
        with zipfile.ZipFile(archive, 'w') as packed:
            for view, face in zip(self.faces, self.restored, strict=True):
                packed.writestr(f'faces/{view.number}.png', encode_png(face.restoration.face))
                for kind in 'JSTA':
                    values = getattr(face.restoration, kind)
                    if values is not None:
                        pixels = quantise(values) if kind == 'J' else sixteen_bit(values)
                        packed.writestr(f'{kind}/{view.number}.png', encode_png(pixels))
        return [photo, archive]


class PhotoDesk:
    """Finds and restores faces in uploaded photos and clips.

    Args:
        restorer: The model that the page was started with.
    """

    def __init__(self, restorer: Restorer) -> None:
        self.restorer = restorer
        # Two, as each holds a network.
        self.photos = lru_cache(2)(self._photos)

    def models(self) -> dict[str, str]:
        """Name -> what the model is for; the page's own first."""
        own = self.restorer.name
        return {own: MODELS.get(own, 'the model that this page was started with'), **MODELS}

    def _photos(self, model: str, background: Background) -> PhotoRestorer:
        if model not in self.models():
            raise ConfigError(f'{model}: choose one of {", ".join(self.models())}')
        same = model == self.restorer.name
        restorer = self.restorer if same else Restorer(model, device=self.restorer.device)
        return PhotoRestorer(restorer, background=background)

    def find(self, path: str | os.PathLike[str]) -> tuple[np.ndarray, list[DetectedFace]]:
        """An uploaded photo with its faces drawn, and the faces.

        Raises:
            ImageFileError: As :func:`~rainrestore.web.views.read_upload`.
            PictureError: No face is found.
        """
        photo = read_upload(path).pixels
        faces, _ = self.photos(self.restorer.name, 'keep').found_in(photo, Path(path).name)
        return draw_faces(photo, faces), faces

    def restore(
        self,
        path: str | os.PathLike[str],
        crops: Sequence[FaceCrop],
        chosen: Sequence[int],
        model: str,
        background: Background = 'keep',
        strength: float = 1.0,
    ) -> PhotoView:
        """Restore the chosen faces of an uploaded photo.

        Args:
            path: The uploaded file.
            crops: The faces that :meth:`find` found in it.
            chosen: Indices of those to restore.
            model: A key of :meth:`models`.
            background: What becomes of the rest of the photo.
            strength: How much of the change is shown, 0..1.

        Raises:
            ConfigError: No face is chosen, an unknown model, or a strength out of its range.
            ImageFileError: As :func:`~rainrestore.web.views.read_upload`.
            PictureError: None of the faces can be restored.
        """
        if not chosen:
            raise ConfigError('Choose at least one face.')
        if not 0 <= strength <= 1:
            raise ConfigError(f'Strength: expected 0 to 1, got {strength!r}')
        given = read_upload(path)
        photo = given.pixels
        numbers = {crops[number]: number for number in sorted(chosen)}
        name = Path(path).name
        result = self.photos(model, background).restore_photo(photo, name, list(numbers))
        after = result.photo
        if strength < 1:
            change = after.astype(np.float32) - photo
            after = np.rint(photo + np.float32(strength) * change).astype(np.uint8)
        faces = [
            FaceView(numbers[face.crop], cut(photo, face.crop), cut(after, face.crop), face.restoration.pictures())
            for face in result.faces
        ]
        return PhotoView(Path(path).stem, given, after, faces, list(result.faces), list(result.notes))

    def restore_clip(
        self,
        path: str | os.PathLike[str],
        folder: Path,
        model: str,
        background: Background = 'keep',
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[Path, VideoResult]:
        """Restore an uploaded clip into an MP4 file in ``folder``.

        Raises:
            PictureError: Too long, too large, no video, or no face is found in it; names the file without its folder.
        """
        source = Path(path)
        target = folder / f'{source.stem}_restored.mp4'
        try:
            if source.stat().st_size > MAX_CLIP_BYTES:
                raise ImageFileError(source, f'is over the limit of {MAX_CLIP_BYTES / 2**20:.0f} MB; shorten it first')
            with VideoReader(source) as reader:
                longest = MAX_CLIP_SECONDS * reader.format.rate
                if reader.seconds > MAX_CLIP_SECONDS or reader.frames > longest * 1.02:
                    raise ImageFileError(
                        source, f'is longer than {MAX_CLIP_SECONDS} s; cut it, or use rainrestore restore'
                    )
            return target, restore_video(self.photos(model, background), source, target, progress=progress)
        except (ImageFileError, PictureError) as error:
            raise PictureError(source.name, error.reason) from error
