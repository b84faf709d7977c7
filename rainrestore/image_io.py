"""Read pictures and label maps from files, with errors that name the file, and encode PNG.

Pillow does the decoding: it checks lengths and checksums, and it refuses decompression bombs.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from rainrestore.errors import DatasetError, ImageFileError
from rainrestore.labels import NUM_LABELS

IMAGE_SUFFIXES: tuple[str, ...] = ('.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.bmp', '.dib', '.webp', '.tif', '.tiff',
                                   '.ppm', '.pgm', '.pnm', '.gif', '.avif')  # fmt: skip

# What is decoded, told by its content. Not all that Pillow knows: for EPS it would start another program.
_FORMATS = ('PNG', 'JPEG', 'BMP', 'DIB', 'WEBP', 'TIFF', 'PPM', 'GIF', 'AVIF')

# What Pillow's decoders raise on damaged input.
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, IndexError, EOFError, struct.error, zlib.error,
                  Image.DecompressionBombError)  # fmt: skip


#: libpng, which writes the results, takes no longer side.
LONGEST_SIDE = 1_000_000

# The standard error belongs to the process, so one decoder at a time.
_QUIET_LOCK = threading.Lock()


def check_regular(path: str | os.PathLike[str]) -> None:
    """Refuse anything but a regular file: a missing file, a folder, a loop of links, a pipe, a device.

    Raises:
        ImageFileError: It is one of these.
    """
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError as error:
        raise ImageFileError(path, 'no such file') from error
    except (OSError, ValueError) as error:
        raise ImageFileError(path, f'cannot be opened ({getattr(error, "strerror", None) or error})') from error
    if not regular:
        raise ImageFileError(path, 'is not a file (but a folder, a pipe or a device)')


def read_bytes(path: str | os.PathLike[str], backend_args: Mapping[str, Any]) -> bytes:
    """The content of a file in a storage that mmengine's file client knows: http, lmdb, petrel or one of the user's.

    Args:
        path: URL, key or path, as the storage names it.
        backend_args: As for ``mmengine.fileio.get``, such as ``dict(backend='lmdb', db_path='faces.lmdb')``.

    Raises:
        ImageFileError: The storage does not have the file, or cannot be reached.
    """
    from mmengine import fileio

    try:
        content = fileio.get(str(path), backend_args=dict(backend_args))
    except (OSError, KeyError) as error:
        raise ImageFileError(path, f'cannot be read from the storage {dict(backend_args)} ({error})') from error
    if content is None:
        raise ImageFileError(path, f'is not in the storage {dict(backend_args)}')
    return bytes(content)


def listed_names(names: str | os.PathLike[str] | Sequence[str]) -> list[str]:
    """File names from a list or from a text file with one name a line, sorted.

    Raises:
        DatasetError: The file cannot be read, or there is no name.
    """
    if isinstance(names, (str, os.PathLike)):
        try:
            listed: Sequence[str] = [
                line for line in Path(names).read_text(encoding='utf-8').splitlines() if line.strip()
            ]
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f'names: {names} cannot be read ({error})') from error
    else:
        listed = names
    if not listed:
        raise DatasetError(f'names: {names!r} lists no file; give one file name a line')
    return sorted(listed)


def remote_files(folder: str, backend_args: Mapping[str, Any]) -> list[str]:
    """Names of the files directly in a folder of a storage, sorted.

    Raises:
        DatasetError: The storage cannot list its files, has no such folder or cannot be reached.
    """
    from mmengine import fileio

    # mmengine's http and lmdb backends have no such method
    if not hasattr(fileio.get_file_backend(folder, backend_args=dict(backend_args)), 'list_dir_or_file'):
        raise DatasetError(f'{folder}: the storage {dict(backend_args)} cannot list its files; list them in `names`')
    try:
        return sorted(fileio.list_dir_or_file(folder, list_dir=False, backend_args=dict(backend_args)))
    except OSError as error:
        raise DatasetError(f'{folder}: cannot be listed ({error})') from error


def _open(
    path: str | os.PathLike[str], max_pixels: int | None = None, backend_args: Mapping[str, Any] | None = None
) -> Image.Image:
    """Open and fully decode ``path``; the returned picture no longer needs the file."""
    source: str | os.PathLike[str] | io.BytesIO = path
    if backend_args is None:
        check_regular(path)
    else:
        source = io.BytesIO(read_bytes(path, backend_args))
    try:
        with _quiet(), Image.open(source, formats=_FORMATS) as image:
            # Pillow itself only warns between one and two times its limit.
            limit = Image.MAX_IMAGE_PIXELS if max_pixels is None else max_pixels
            if limit is not None and image.width * image.height > limit:
                raise ImageFileError(
                    path, f'{image.width}x{image.height} pixels is over the limit of {limit}; shrink it first'
                )
            if max(image.size) > LONGEST_SIDE:
                raise ImageFileError(
                    path, f'{image.width}x{image.height} pixels: a side is over the limit of {LONGEST_SIDE}; cut it'
                )
            image.load()
            return image.copy() if image.mode == 'P' else image
    except ImageFileError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageFileError(path, f'too many pixels ({error}); shrink it first') from error
    except _DECODE_ERRORS as error:
        raise ImageFileError(
            path, f'not a readable image, or cut short ({error}); replace or remove the file'
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what decoders print: Pillow's warnings, and libtiff's lines, which go to the process's standard error.

    A damaged file may cause hundreds of them. What matters of it is in the error.
    """
    with _QUIET_LOCK, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(nowhere)


_EIGHT_OF_SIXTEEN = ((np.arange(65536, dtype=np.uint32) * 2 + 257) // 514).astype(np.uint8)


def _sixteen_to_eight(values: np.ndarray) -> np.ndarray:
    """0..65535 to 0..255 by rounding v / 257, so that black and white stay black and white."""
    return _EIGHT_OF_SIXTEEN[values]


def read_image(
    path: str | os.PathLike[str], max_pixels: int | None = None, backend_args: Mapping[str, Any] | None = None
) -> np.ndarray:
    """Read a picture of any usual kind as 8-bit RGB, told by its content: PNG, JPEG, BMP, WebP, TIFF, PPM, GIF, AVIF.

    Of an animation or a multi-page file the first picture is read. For the rest see :func:`to_rgb`.

    Args:
        path: The file.
        max_pixels: Refuse more pixels than this before any is decoded; by default ``PIL.Image.MAX_IMAGE_PIXELS``.
        backend_args: As for :func:`read_bytes`; None reads a local file.

    Returns:
        H x W x 3 uint8, RGB, contiguous and writable.

    Raises:
        ImageFileError: Missing, truncated or not an image, too many pixels or too long a side, or as :func:`to_rgb`.
    """
    return to_rgb(_open(path, max_pixels, backend_args), path)


def to_rgb(image: Image.Image, path: str | os.PathLike[str]) -> np.ndarray:
    """A Pillow picture of any usual mode as 8-bit RGB.

    Grey is repeated over the channels; 16-bit grey is scaled by 1/257 (16-bit colour keeps its high byte, which is
    all that Pillow decodes); palette, CMYK and YCbCr are converted; transparency is laid over black; the EXIF
    orientation of a photo is applied. Colours of another ICC profile, such as Display P3 or Adobe RGB, are converted to
    sRGB.

    Args:
        image: The picture.
        path: Its file or, if it has none, what an error is to call it.

    Returns:
        H x W x 3 uint8, RGB, contiguous and writable.

    Raises:
        ImageFileError: Of a kind without a defined white (32-bit integer, float), or not to be decoded.
    """
    try:
        image = _upright(image)
        if image.mode.startswith('I;16') or image.mode == 'I':
            values = np.asarray(image)
            if values.min() < 0 or values.max() > 65535:
                raise ImageFileError(path, '32-bit integer pixels have no defined white; save it with 8 or 16 bits')
            grey = _sixteen_to_eight(values)
            return np.repeat(grey[:, :, None], 3, axis=2)
        if image.mode == 'F':
            raise ImageFileError(path, 'float pixels have no defined white; save it with 8 or 16 bits')
        if has_alpha(image):
            profile = image.info.get('icc_profile')
            image = image.convert('RGBA')
            backdrop = Image.new('RGBA', image.size, (0, 0, 0, 255))
            image = Image.alpha_composite(backdrop, image)
            image.info['icc_profile'] = profile
        return np.array(_in_mode(_to_srgb(image), 'RGB'))
    except ImageFileError:
        raise
    except _DECODE_ERRORS as error:
        raise ImageFileError(path, f'cannot be converted to RGB ({error}); save it as an 8-bit RGB PNG') from error


def has_alpha(image: Image.Image) -> bool:
    """Whether a Pillow picture has transparency."""
    return image.mode in ('RGBA', 'LA', 'PA', 'La', 'RGBa') or 'transparency' in image.info


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture with what its 8-bit RGB pixels do not say.

    Attributes:
        pixels: H x W x 3 uint8, RGB; of a transparent picture the colours as they are stored.
        alpha: H x W uint8, or None.
        grey: Whether the file has no colour.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False

    def as_given(self, pixels: np.ndarray, opaque: bool = False) -> np.ndarray:
        """A result, H x W x 3 uint8 RGB of any size, as grey and, unless ``opaque``, as transparent as the picture."""
        if self.grey:
            pixels = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if self.alpha is None or opaque:
            return pixels
        return np.dstack([pixels, cv2.resize(self.alpha, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)])


def read_photo(path: str | os.PathLike[str], max_pixels: int | None = None) -> Photo:
    """As :func:`read_image`, with transparency kept apart instead of laid over black."""
    image = _open(path, max_pixels)
    grey = image.mode in ('1', 'L', 'LA', 'La', 'I') or image.mode.startswith('I;16')
    if not has_alpha(image):
        return Photo(to_rgb(image, path), grey=grey)
    try:
        whole = _in_mode(_upright(image), 'RGBA')
    except _DECODE_ERRORS as error:
        raise ImageFileError(path, f'cannot be converted to RGB ({error}); save it as an 8-bit RGB PNG') from error
    opaque = whole.convert('RGB')
    opaque.info = {'icc_profile': image.info.get('icc_profile')}
    return Photo(to_rgb(opaque, path), np.array(whole.getchannel('A')), grey)


def _upright(image: Image.Image) -> Image.Image:
    """A picture turned as its EXIF orientation says; one that is upright is not copied, as Pillow would."""
    upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    return image if upright else ImageOps.exif_transpose(image)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """A picture in a mode of Pillow; one that has it is not copied, as Pillow would."""
    return image if image.mode == mode else image.convert(mode)


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert the colours of a picture with an ICC profile; a profile that is damaged or of another kind is ignored."""
    profile = image.info.get('icc_profile')
    mode = {'RGBA': 'RGB', 'P': 'RGB'}.get(image.mode, image.mode)
    if not profile or mode not in ('RGB', 'L', 'CMYK'):
        return image
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile('sRGB')
        return ImageCms.profileToProfile(image.convert(mode), given, srgb, outputMode='RGB') or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


def read_mask(
    path: str | os.PathLike[str], num_labels: int = NUM_LABELS, backend_args: Mapping[str, Any] | None = None
) -> np.ndarray:
    """Read a label map: one label index per pixel.

    Grey values and palette *indices* are the labels; a colour picture is accepted only if its channels are equal.

    Returns:
        H x W uint8, values 0..``num_labels`` - 1.

    Raises:
        ImageFileError: Unreadable (as in :func:`read_image`), coloured, or a label is out of range.
    """
    image = _open(path, backend_args=backend_args)
    values = np.array(image)
    if values.ndim == 3:
        colours = values[:, :, :1] if image.mode in ('LA', 'PA') else values[:, :, :3]
        if not (colours == colours[:, :, :1]).all():
            raise ImageFileError(path, 'is a colour picture, expected one label index per pixel (8-bit grey PNG)')
        values = colours[:, :, 0]
    if values.dtype.kind == 'f':
        raise ImageFileError(path, 'holds float pixels, expected one label index per pixel (8-bit grey PNG)')
    # Compared before the cast to uint8, which would wrap 16-bit values into the valid range.
    if values.size and (values.max() >= num_labels or values.min() < 0):
        bad = int(values.max()) if values.max() >= num_labels else int(values.min())
        raise ImageFileError(
            path, f'holds label {bad}, expected 0..{num_labels - 1} (indices, not colours or 0/255); redo the mask'
        )
    return np.ascontiguousarray(values, dtype=np.uint8)


def visible_files(folder: str | os.PathLike[str]) -> list[Path]:
    """All files directly in ``folder`` but hidden ones and those that file managers leave, sorted by name.

    Raises:
        DatasetError: The folder does not exist, or a sub-folder holds pictures beside those in the folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f'{folder}: no such folder')
    litter = ('thumbs.db', 'desktop.ini')
    entries = sorted(
        entry for entry in folder.iterdir() if not entry.name.startswith('.') and entry.name.lower() not in litter
    )
    files = [entry for entry in entries if entry.is_file()]
    nested = (path for entry in entries if entry.is_dir() for path in sorted(entry.rglob('*')))
    inner = next((path for path in nested if path.suffix.lower() in IMAGE_SUFFIXES), None) if files else None
    if inner is not None:
        raise DatasetError(f'{inner}: sub-folders are not read; move its pictures up to {folder}, or out of it')
    return files


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """The pictures directly in ``folder`` (by suffix, see ``IMAGE_SUFFIXES``), sorted by name.

    Raises:
        DatasetError: The folder does not exist.
    """
    return [entry for entry in visible_files(folder) if entry.suffix.lower() in IMAGE_SUFFIXES]


def find_images(
    folder: str | os.PathLike[str],
    skip: Iterable[str | os.PathLike[str]] = (),
    onerror: Callable[[OSError], object] | None = None,
    suffixes: Collection[str] | None = IMAGE_SUFFIXES,
) -> list[Path]:
    """The pictures in ``folder`` and its sub-folders (by suffix, see ``IMAGE_SUFFIXES``), sorted by path.

    Hidden files and folders are skipped. Linked files are listed, even if they lead nowhere, for a caller to name;
    linked sub-folders are not entered, as they may lead back.

    Args:
        folder: Where to look.
        skip: Sub-folders not to enter.
        onerror: Called with the error of a sub-folder that cannot be listed; by default it is raised.
        suffixes: Those of the files, in lower case; None for all files.

    Raises:
        DatasetError: The folder does not exist, or a sub-folder cannot be listed.
    """
    if not os.path.isdir(folder):
        raise DatasetError(f'{folder}: no such folder')

    def refuse(error: OSError) -> None:
        raise DatasetError(f'{error.filename}: cannot be listed ({error.strerror})') from error

    closed = {os.path.realpath(path) for path in skip}
    found = []
    for place, folders, files in os.walk(folder, onerror=onerror or refuse):
        folders[:] = [
            name for name in folders
            if not name.startswith('.') and os.path.realpath(os.path.join(place, name)) not in closed
        ]  # fmt: skip
        found += [
            Path(place, name)
            for name in files
            if not name.startswith('.') and (suffixes is None or Path(name).suffix.lower() in suffixes)
        ]
    return sorted(found)


def sixteen_bit(values: np.ndarray) -> np.ndarray:
    """Values in [0, 1] to 0..65535, rounded: little-endian uint16."""
    return np.rint(values.astype(np.float64) * 65535).astype('<u2')


def encode_png(pixels: np.ndarray) -> bytes:
    """H x W x 3 (RGB), 4 (RGBA) or 1, uint8 or uint16, as the bytes of a PNG file."""
    # Not Pillow, which cannot write 16-bit RGB; in memory, as OpenCV's own writing fails silently and on some names.
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}.get(pixels.shape[2])
    stored = pixels if order is None else cv2.cvtColor(pixels, order)
    return cv2.imencode('.png', stored)[1].tobytes()
