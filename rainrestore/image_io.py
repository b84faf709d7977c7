"""Read images and label maps from files, with the path in error messages, and encode PNG.

Pillow decodes the files, because it checks lengths and checksums and refuses decompression bombs.
"""

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
from typing import Any, TypeAlias

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from rainrestore.errors import DatasetError, ImageFileError
from rainrestore.files import make_folder, whole_file
from rainrestore.labels import NUM_LABELS

StrPath: TypeAlias = str | os.PathLike[str]

IMAGE_SUFFIXES: tuple[str, ...] = ('.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.bmp', '.dib', '.webp', '.tif', '.tiff',
                                   '.ppm', '.pgm', '.pnm', '.gif', '.avif')  # fmt: skip

# Formats to decode; the content decides, not the suffix. Others are excluded: for EPS, Pillow starts another program.
_FORMATS = ('PNG', 'JPEG', 'BMP', 'DIB', 'WEBP', 'TIFF', 'PPM', 'GIF', 'AVIF')

# Exceptions of Pillow's decoders for damaged files.
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, IndexError, EOFError, struct.error, zlib.error,
                  Image.DecompressionBombError)  # fmt: skip

#: Key of `Image.info`: whether the file has several frames or pages.
SEVERAL_FRAMES = 'several_frames'

#: Maximum side in pixels that libpng writes.
LONGEST_SIDE = 1_000_000

# _quiet redirects the standard error of the process, so only one thread may decode at a time.
_QUIET_LOCK = threading.Lock()


def check_regular(path: StrPath) -> None:
    """Check that a path is a regular file.

    Raises:
        ImageFileError: The file is missing, or it is a folder, a loop of links, a pipe or a device.
    """
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError as error:
        raise ImageFileError(path, 'is a link to a missing file' if os.path.islink(path) else 'no such file') from error
    except (OSError, ValueError) as error:
        raise ImageFileError(path, f'cannot be opened ({getattr(error, "strerror", None) or error})') from error
    if not regular:
        raise ImageFileError(path, 'is not a file (but a folder, a pipe or a device)')


def read_bytes(path: StrPath, backend_args: Mapping[str, Any]) -> bytes:
    """Read a file with a storage backend of mmengine: http, lmdb, petrel or your own.

    Args:
        path: URL, key or path of the file in the storage.
        backend_args: As in ``mmengine.fileio.get``, such as ``dict(backend='lmdb', db_path='faces.lmdb')``.

    Raises:
        ImageFileError: The storage does not contain the file, or cannot be accessed.
    """
    from mmengine import fileio

    try:
        content = fileio.get(str(path), backend_args=dict(backend_args))
    except (OSError, KeyError) as error:
        raise ImageFileError(path, f'cannot be read from the storage {dict(backend_args)} ({error})') from error
    if content is None:
        raise ImageFileError(path, f'is not in the storage {dict(backend_args)}')
    return bytes(content)


def listed_names(names: StrPath | Sequence[str]) -> list[str]:
    """File names from a list, or from a text file with one name per line; sorted.

    Raises:
        DatasetError: The text file cannot be read, or there are no names.
    """
    if isinstance(names, (str, os.PathLike)):
        try:
            lines = Path(names).read_text(encoding='utf-8').splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f'names: {names} cannot be read ({error})') from error
        names = [line for line in lines if line.strip()]
    if not names:
        raise DatasetError(f'names: {names!r} lists no file; expected one file name per line')
    return sorted(names)


def remote_files(folder: str, backend_args: Mapping[str, Any]) -> list[str]:
    """Names of the files in a folder of a storage, without sub-folders, sorted.

    Raises:
        DatasetError: The storage cannot list files, has no such folder or cannot be accessed.
    """
    from mmengine import fileio

    # mmengine's http and lmdb backends cannot list files.
    if not hasattr(fileio.get_file_backend(folder, backend_args=dict(backend_args)), 'list_dir_or_file'):
        raise DatasetError(f'{folder}: the storage {dict(backend_args)} cannot list its files; list them in `names`')
    try:
        return sorted(fileio.list_dir_or_file(folder, list_dir=False, backend_args=dict(backend_args)))
    except OSError as error:
        raise DatasetError(f'{folder}: cannot be listed ({error})') from error


def _open(path: StrPath, max_pixels: int | None = None, backend_args: Mapping[str, Any] | None = None) -> Image.Image:
    """Open and fully decode ``path``; the returned image does not use the file any more."""
    source: StrPath | io.BytesIO = path
    if backend_args is None:
        check_regular(path)
    else:
        source = io.BytesIO(read_bytes(path, backend_args))
    try:
        with _quiet(), Image.open(source, formats=_FORMATS) as image:
            size = f'{image.width}x{image.height} pixels'
            # Up to twice its limit, Pillow only warns.
            limit = Image.MAX_IMAGE_PIXELS if max_pixels is None else max_pixels
            if limit is not None and image.width * image.height > limit:
                raise ImageFileError(path, f'{size} exceed the limit of {limit}; shrink the image first')
            if max(image.size) > LONGEST_SIDE:
                raise ImageFileError(path, f'{size}: the limit of a side is {LONGEST_SIDE}; crop the image')
            image.load()
            # A phone stores a preview or depth as a second image in a JPEG file (MPO).
            several = image.format != 'MPO' and bool(getattr(image, 'is_animated', False))
            loaded = image.copy() if several or image.mode == 'P' else image
            loaded.info[SEVERAL_FRAMES] = several
            return loaded
    except _DECODE_ERRORS as error:
        if isinstance(error, ImageFileError):
            raise
        reason = f'not a readable image, or truncated ({error}); replace or remove the file'
        if isinstance(error, Image.DecompressionBombError):
            reason = f'too many pixels ({error}); shrink the image first'
        elif isinstance(error, UnidentifiedImageError):  # also a HEIC or camera raw file
            known = ', '.join(_FORMATS)
            reason = f'not a readable image: damaged, or not {known}; convert, replace or remove the file'
        raise ImageFileError(path, reason) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Pillow's warnings and libtiff's lines on the standard error.

    A damaged file may cause hundreds of lines. The exception states the problem.
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


# 0..65535 -> 0..255: v / 257, rounded, which keeps black and white.
_EIGHT_OF_SIXTEEN = ((np.arange(65536, dtype=np.uint32) * 2 + 257) // 514).astype(np.uint8)


def read_image(
    path: StrPath, max_pixels: int | None = None, backend_args: Mapping[str, Any] | None = None
) -> np.ndarray:
    """Read a PNG, JPEG, BMP, WebP, TIFF, PPM, GIF or AVIF file as 8-bit RGB. The format is found from the content.

    Only the first frame of an animation or the first page of a file is read. :func:`to_rgb` converts the colours.

    Args:
        path: The file.
        max_pixels: Maximum number of pixels, checked before decoding; None for ``PIL.Image.MAX_IMAGE_PIXELS``.
        backend_args: As in :func:`read_bytes`; None reads a local file.

    Returns:
        H x W x 3 uint8, RGB, contiguous and writable.

    Raises:
        ImageFileError: The file is missing, truncated or not an image, has too many pixels or a too long side, or
            :func:`to_rgb` cannot convert it.
    """
    return to_rgb(_open(path, max_pixels, backend_args), path)


def to_rgb(image: Image.Image, path: StrPath) -> np.ndarray:
    """Convert a Pillow image to 8-bit RGB.

    Grey is repeated over the channels. 16-bit grey is scaled by 1/257; of 16-bit colour, Pillow decodes only the high
    byte. Palette, CMYK and YCbCr are converted. Transparency is composited over black. The EXIF orientation is applied.
    Colours with another ICC profile, such as Display P3 or Adobe RGB, are converted to sRGB.

    Args:
        image: The image.
        path: Its file, or another name for messages.

    Returns:
        H x W x 3 uint8, RGB, contiguous and writable.

    Raises:
        ImageFileError: Pixels without a defined white (32-bit integer, float), or the image cannot be decoded.
    """
    try:
        image = _upright(image)
        if image.mode.startswith('I;16') or image.mode == 'I':
            values = np.asarray(image)
            if values.min() < 0 or values.max() > 65535:
                raise ImageFileError(path, '32-bit integer pixels have no defined white; save 8 or 16 bits')
            return np.repeat(_EIGHT_OF_SIXTEEN[values][:, :, None], 3, axis=2)
        if image.mode == 'F':
            raise ImageFileError(path, 'float pixels have no defined white; save 8 or 16 bits')
        if image.has_transparency_data:
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


@dataclass(frozen=True, eq=False)
class Photo:
    """An image with its transparency.

    Attributes:
        pixels: H x W x 3 uint8, RGB; the colours of transparent pixels are kept as stored in the file.
        alpha: H x W uint8, or None for an opaque image.
        grey: Whether the file is greyscale.
        single: Whether the file has no other frames or pages.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    single: bool = True

    def as_given(self, pixels: np.ndarray, opaque: bool = False) -> np.ndarray:
        """Make a result greyscale and transparent as this image is.

        Args:
            pixels: H x W x 3 uint8, RGB, of any size.
            opaque: Omit the transparency.

        Returns:
            H x W x 3 or, with transparency, H x W x 4 uint8.
        """
        if self.grey:
            pixels = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if self.alpha is None or opaque:
            return pixels
        return np.dstack([pixels, cv2.resize(self.alpha, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)])


def read_photo(path: StrPath, max_pixels: int | None = None) -> Photo:
    """Read an image as :func:`read_image` does, but keep the transparency as a separate channel."""
    image = _open(path, max_pixels)
    grey = image.mode in ('1', 'L', 'LA', 'La', 'I') or image.mode.startswith('I;16')
    single = not image.info[SEVERAL_FRAMES]
    if not image.has_transparency_data:
        return Photo(to_rgb(image, path), grey=grey, single=single)
    try:
        rgba = _in_mode(_upright(image), 'RGBA')
    except _DECODE_ERRORS as error:
        raise ImageFileError(path, f'cannot be converted to RGB ({error}); save it as an 8-bit RGB PNG') from error
    opaque = rgba.convert('RGB')
    opaque.info = {'icc_profile': image.info.get('icc_profile')}
    return Photo(to_rgb(opaque, path), np.array(rgba.getchannel('A')), grey, single)


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation. An upright image is returned without a copy, which Pillow would make."""
    upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    return image if upright else ImageOps.exif_transpose(image)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert to a mode of Pillow. An image in this mode is returned without a copy, which Pillow would make."""
    return image if image.mode == mode else image.convert(mode)


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert an image with an ICC profile to sRGB; a damaged or unsuitable profile is ignored."""
    profile = image.info.get('icc_profile')
    mode = {'RGBA': 'RGB', 'P': 'RGB'}.get(image.mode, image.mode)
    if not profile or mode not in ('RGB', 'L', 'CMYK'):
        return image
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile('sRGB')
        return ImageCms.profileToProfile(image.convert(mode), embedded, srgb, outputMode='RGB') or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


def read_mask(path: StrPath, backend_args: Mapping[str, Any] | None = None) -> np.ndarray:
    """Read a label map: one label index per pixel.

    Grey values and palette *indices* are the labels. A colour image is accepted only if its channels are equal.

    Args:
        path: The file.
        backend_args: As in :func:`read_bytes`; None reads a local file.

    Returns:
        H x W uint8, values 0..18.

    Raises:
        ImageFileError: The file cannot be read (see :func:`read_image`), is coloured, or a label is out of range.
    """
    image = _open(path, backend_args=backend_args)
    values = np.array(image)
    if values.ndim == 3:
        colours = values[:, :, :1] if image.mode in ('LA', 'PA') else values[:, :, :3]
        if not (colours == colours[:, :, :1]).all():
            raise ImageFileError(path, 'is a colour image, expected one label index per pixel (8-bit grey PNG)')
        values = colours[:, :, 0]
    if values.dtype.kind == 'f':
        raise ImageFileError(path, 'has float pixels, expected one label index per pixel (8-bit grey PNG)')
    # Checked before the cast to uint8, which would wrap 16-bit values into the valid range.
    if values.size and (values.max() >= NUM_LABELS or values.min() < 0):
        bad = int(values.max()) if values.max() >= NUM_LABELS else int(values.min())
        raise ImageFileError(
            path, f'has label {bad}, expected 0..{NUM_LABELS - 1} (indices, not colours or 0/255); correct the file'
        )
    return np.ascontiguousarray(values, dtype=np.uint8)


def empty_folder(folder: Path, reason: str = '') -> None:
    """Create a folder for images, if it does not exist.

    Args:
        folder: The folder.
        reason: End of the message.

    Raises:
        DatasetError: The folder contains files.
    """
    make_folder(folder)
    if any(folder.iterdir()):
        raise DatasetError(f'{folder}: is not empty; empty it or choose another target{reason}')


def visible_files(folder: StrPath) -> list[Path]:
    """The files in ``folder``, sorted by name, without hidden files and files of file managers (``Thumbs.db``).

    Raises:
        DatasetError: The folder does not exist, or has a sub-folder with images.
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
    if inner := next((path for path in nested if path.suffix.lower() in IMAGE_SUFFIXES), None):
        raise DatasetError(f'{inner}: sub-folders are not read; move their images to {folder}, or elsewhere')
    return files


def list_images(folder: StrPath) -> list[Path]:
    """The images in ``folder`` (by suffix, see ``IMAGE_SUFFIXES``), without sub-folders, sorted by name.

    Raises:
        DatasetError: The folder does not exist.
    """
    return [entry for entry in visible_files(folder) if entry.suffix.lower() in IMAGE_SUFFIXES]


def find_images(
    folder: StrPath,
    skip: Iterable[StrPath] = (),
    onerror: Callable[[OSError], object] | None = None,
    suffixes: Collection[str] | None = IMAGE_SUFFIXES,
) -> list[Path]:
    """The images in ``folder`` and its sub-folders (by suffix, see ``IMAGE_SUFFIXES``), sorted by path.

    Hidden files and folders are skipped. Links to files are listed, also broken ones, so that the caller can report
    them. Links to folders are skipped, because they may form a loop.

    Args:
        folder: The folder to search.
        skip: Sub-folders to skip.
        onerror: Called with the error of a sub-folder that cannot be listed; None raises a DatasetError.
        suffixes: Suffixes of the files, in lower case; None for all files.

    Raises:
        DatasetError: The folder does not exist, or a sub-folder cannot be listed and ``onerror`` is None.
    """
    if not os.path.isdir(folder):
        raise DatasetError(f'{folder}: no such folder')

    def refuse(error: OSError) -> None:
        raise DatasetError(f'{error.filename}: cannot be listed ({error.strerror})') from error

    skipped = {os.path.realpath(path) for path in skip}
    found = []
    for place, folders, files in os.walk(folder, onerror=onerror or refuse):
        folders[:] = [
            name for name in folders
            if not name.startswith('.') and os.path.realpath(os.path.join(place, name)) not in skipped
        ]  # fmt: skip
        visible = [Path(place, name) for name in files if not name.startswith('.')]
        found += [path for path in visible if suffixes is None or path.suffix.lower() in suffixes]
    return sorted(found)


def sixteen_bit(values: np.ndarray) -> np.ndarray:
    """Convert values in [0, 1] to 0..65535, rounded, as little-endian uint16."""
    return np.rint(values.astype(np.float64) * 65535).astype('<u2')


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write H x W (labels or grey) or H x W x 3 (RGB), uint8, atomically."""
    with whole_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, format='PNG')


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode H x W x 3 (RGB), 4 (RGBA) or 1 (grey), uint8 or uint16, as the bytes of a PNG file."""
    # Pillow cannot write 16-bit RGB. cv2.imwrite fails silently, and always for some file names.
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}.get(pixels.shape[2])
    stored = pixels if order is None else cv2.cvtColor(pixels, order)
    return cv2.imencode('.png', stored)[1].tobytes()
