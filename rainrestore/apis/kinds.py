"""Recognise images and videos by their content, or by their suffix if the content is unknown."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from rainrestore.image_io import IMAGE_SUFFIXES, StrPath, find_images

Kind = Literal['image', 'video']

#: Suffix of a video -> suffix of its result: the same container if it supports H.264, else Matroska, which supports
#: nearly all audio codecs.
VIDEO_SUFFIXES = {
    '.mp4': '.mp4', '.m4v': '.mp4', '.mov': '.mov', '.3gp': '.mp4', '.3g2': '.mp4', '.mkv': '.mkv', '.webm': '.mkv',
    '.avi': '.mkv', '.mpg': '.mkv', '.mpeg': '.mkv', '.ts': '.mkv', '.mts': '.mkv', '.m2ts': '.mkv', '.wmv': '.mkv',
    '.asf': '.mkv', '.flv': '.mkv', '.vob': '.mkv', '.ogv': '.mkv', '.mxf': '.mkv', '.h264': '.mkv', '.264': '.mkv',
    '.h265': '.mkv', '.265': '.mkv', '.hevc': '.mkv', '.dav': '.mkv', '.mjpeg': '.mkv', '.mjpg': '.mkv',
}  # fmt: skip
#: Suffixes of a stream of JPEG images, which begins like an image.
STREAM_SUFFIXES = ('.mjpeg', '.mjpg')
#: Suffixes of audio files, whose containers are also used for videos.
AUDIO_SUFFIXES = ('.aac', '.flac', '.m4a', '.mka', '.mp3', '.oga', '.ogg', '.opus', '.wav', '.wma')
#: Number of bytes to read from the beginning of a file.
HEAD = 600

_IMAGE = re.compile(
    rb'\xff\xd8\xff|\x89PNG\r\n|GIF8|BM.{4}\0{4}|RIFF.{4}WEBP|II\*\0|MM\0\*|P[1-6]\s|.{4}ftyp(avi[fs]|hei[cfsx]|mif1)',
    re.DOTALL,
)
_MP4 = re.compile(rb'.{4}(ftyp|moov|mdat|wide)', re.DOTALL)
_CLIP = re.compile(
    rb'\x1a\x45\xdf\xa3|RIFF.{4}AVI |FLV\x01|\x30\x26\xb2\x75\x8e\x66\xcf\x11|OggS|\x06\x0e\x2b\x34|DHAV|DKIF'
    rb'|\0\0\x01[\xba\xb3]'  # MPEG program stream, MPEG-1 and MPEG-2 video
    rb'|\0?\0\0\x01([\x09\x27\x47\x67]|[\x40\x42\x46]\x01)'  # H.264 and H.265 as raw streams
    rb'|\x47.{187}\x47.{187}\x47|.{4}\x47.{191}\x47.{191}\x47',  # MPEG transport stream, also with timestamps
    re.DOTALL,
)


def kind_of(path: Path) -> Kind | None:
    """The kind of a file by its content or its suffix; None if it is neither an image nor a video."""
    suffix = path.suffix.lower()
    if suffix in STREAM_SUFFIXES:
        return 'video'
    if suffix in AUDIO_SUFFIXES:
        return None
    head = _head(path)
    if _IMAGE.match(head):
        return 'image'
    if _MP4.match(head) or _CLIP.match(head):
        return 'video'
    # Without a known beginning, the file is damaged or has a rare format.
    return 'image' if suffix in IMAGE_SUFFIXES else 'video' if suffix in VIDEO_SUFFIXES else None


def video_suffix(path: Path) -> str:
    """The suffix of the result for a video."""
    known = VIDEO_SUFFIXES.get(path.suffix.lower())
    return known or ('.mp4' if _MP4.match(_head(path)) else '.mkv')


def find_inputs(
    folder: StrPath, videos: bool, skip: Sequence[StrPath] = (), onerror: Callable[[OSError], object] | None = None
) -> tuple[list[Path], list[Path]]:
    """The images, and with ``videos`` the videos, of a folder and its sub-folders, and the other files.

    For ``skip``, ``onerror`` and errors see :func:`~rainrestore.image_io.find_images`.
    """
    wanted: list[Path] = []
    others: list[Path] = []
    for path in find_images(folder, skip, onerror, suffixes=None):
        kind = kind_of(path)
        (wanted if kind == 'image' or (kind == 'video' and videos) else others).append(path)
    return wanted, others


def _head(path: Path) -> bytes:
    """The first bytes of a file; empty if it is no file or cannot be read."""
    try:
        if not path.is_file():
            return b''
        with path.open('rb') as file:
            return file.read(HEAD)
    except OSError:
        return b''
