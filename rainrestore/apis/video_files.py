"""Reading and writing video with PyAV (FFmpeg): frames as RGB with their times, parts, and parts put together."""

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from rainrestore.datasets.image_io import ImageFileError, check_regular
from rainrestore.errors import ConfigError
from rainrestore.files import whole_file
from rainrestore.optional import optional_import

#: What a folder stands for besides pictures -> the suffix of its result: the same container where it takes H.264, so
#: that the audio can be copied as it is.
VIDEO_SUFFIXES = {
    '.mp4': '.mp4', '.m4v': '.mp4', '.mov': '.mov', '.mkv': '.mkv', '.webm': '.mkv', '.avi': '.mkv', '.mpg': '.mkv',
    '.mpeg': '.mkv', '.ts': '.mkv', '.wmv': '.mkv', '.flv': '.mkv', '.3gp': '.mp4',
}  # fmt: skip
INSTALL = 'pip install av'
#: Beyond this nothing is decoded, as of pictures.
MAX_PIXELS = 89_000_000
#: H.264 that hardly differs from what it is given. No B-frames: then packets come in the order of the frames.
CODEC = 'libx264'
OPTIONS = {'crf': '16', 'preset': 'medium', 'bf': '0'}


@dataclass(frozen=True)
class VideoFrame:
    """A frame.

    Attributes:
        number: from 0.
        time: in seconds from the stream's zero.
        pts: the same in the stream's units.
        pixels: H x W x 3 uint8 RGB, upright.
    """

    number: int
    time: float
    pts: int
    pixels: np.ndarray


@dataclass(frozen=True)
class VideoFormat:
    """How frames are stored: the stream's unit of time, its rate, and FFmpeg's numbers for its colours."""

    time_base: Fraction
    rate: Fraction
    colorspace: int
    color_range: int
    color_primaries: int
    color_trc: int

    @property
    def frame_seconds(self) -> float:
        """Of one frame, on the average."""
        return float(1 / self.rate)


class VideoReader:
    """The frames of a file's first video stream; used in a ``with``.

    Attributes:
        format: how they are stored.
        frames: how many there are, as the file says; 0 if it does not.

    Raises:
        ImageFileError: no such file, or no video in it.
        MissingPackageError: PyAV is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.av: Any = optional_import('av', 'reading a video', INSTALL)

    def __enter__(self) -> 'VideoReader':
        check_regular(self.path)
        with _readable(self.path, self.av):
            self.container = self.av.open(str(self.path))
        if not self.container.streams.video:
            self.container.close()
            raise ImageFileError(self.path, 'has no video stream')
        self.stream = self.container.streams.video[0]
        context = self.stream.codec_context
        if context is None or not context.width or context.width * context.height > MAX_PIXELS:
            self.container.close()
            raise ImageFileError(self.path, f'its video cannot be decoded, or its frames exceed {MAX_PIXELS} pixels')
        self.stream.thread_type = 'AUTO'
        self.frames: int = self.stream.frames
        rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.format = VideoFormat(
            self.stream.time_base, rate,
            *(int(getattr(context, name)) for name in ('colorspace', 'color_range', 'color_primaries', 'color_trc')),
        )  # fmt: skip
        return self

    def __exit__(self, *_exception: object) -> None:
        self.container.close()

    def read(self, skip: int = 0) -> Iterator[VideoFrame]:
        """The frames after the first ``skip``, one at a time."""
        last = -math.inf
        with _readable(self.path, self.av):
            for number, frame in enumerate(self.container.decode(self.stream)):
                pts = frame.pts
                # Files without times, or with some that run backwards, exist; players go by the order.
                if pts is None or pts <= last:
                    step = 1 / (self.format.rate * self.format.time_base)
                    pts = 0 if last == -math.inf else int(last) + max(round(step), 1)
                last = pts
                if number < skip:
                    continue
                pixels = frame.to_ndarray(format='rgb24')
                if frame.rotation:
                    pixels = np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
                yield VideoFrame(number, float(pts * self.format.time_base), pts, pixels)


def write_part(path: Path, frames: Iterable[VideoFrame], style: VideoFormat) -> None:
    """Write frames as a file of their own, whole or not at all; times are left to :func:`join_parts`.

    Raises:
        OSError: it cannot be written.
        ConfigError: this PyAV comes without the encoder.
    """
    av: Any = optional_import('av', 'writing a video', INSTALL)
    if CODEC not in av.codecs_available:
        raise ConfigError(f'this build of PyAV has no {CODEC}; install the one of the package index: {INSTALL}')
    with whole_file(path) as temporary, av.open(str(temporary), 'w', format='mp4') as container:
        stream = None
        for place, frame in enumerate(frames):
            if stream is None:
                stream = _add_stream(container, frame.pixels, style)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.pixels), format='rgb24')
            stored = picture.reformat(
                format=stream.pix_fmt,
                dst_colorspace=_matrix(style.colorspace),
                dst_color_range=style.color_range or None,
            )
            stored.pts, stored.time_base = place, stream.codec_context.time_base
            container.mux(stream.encode(stored))
        if stream is not None:
            container.mux(stream.encode())


def join_parts(parts: Iterable[tuple[Path, Sequence[int]]], source: Path, target: Path, style: VideoFormat) -> None:
    """Put parts together without encoding again, with the audio of ``source``, copied.

    Args:
        parts: files of :func:`write_part` with the times of their frames, ascending, in units of ``style``.
        source: where the audio is.
        target: what to write: ``.mp4``, ``.mov`` or ``.mkv``.
        style: as the parts were written.

    Raises:
        OSError: it cannot be written.
        ImageFileError: the audio cannot be read.
    """
    av: Any = optional_import('av', 'writing a video', INSTALL)
    with (
        whole_file(target) as temporary,
        _readable(source, av), av.open(str(source)) as heard,
        av.open(str(temporary), 'w', format=_MUXERS[target.suffix]) as container,
    ):  # fmt: skip
        parts = iter(parts)
        head = next(parts)
        with av.open(str(head[0])) as first:
            video = container.add_stream_from_template(first.streams.video[0])
        video.time_base = style.time_base
        sounds = {sound.index: container.add_stream_from_template(sound) for sound in heard.streams.audio}
        streams = [_video_packets(av, itertools.chain([head], parts), video, style)]
        if sounds:
            streams.append(_audio_packets(heard, sounds))
        for _, packet in heapq.merge(*streams, key=lambda item: item[0]):
            container.mux(packet)


_MUXERS = {'.mp4': 'mp4', '.mov': 'mov', '.mkv': 'matroska'}


def _video_packets(
    av: Any, parts: Iterable[tuple[Path, Sequence[int]]], stream: Any, style: VideoFormat
) -> Iterator[tuple[float, Any]]:
    step = max(round(1 / (style.rate * style.time_base)), 1)
    for path, times in parts:
        with av.open(str(path)) as part:
            packets = (packet for packet in part.demux(part.streams.video[0]) if packet.size)
            ends = [*times[1:], times[-1] + step]
            for packet, pts, end in zip(packets, times, ends, strict=True):
                packet.stream = stream
                packet.time_base = style.time_base
                packet.pts = packet.dts = pts
                packet.duration = end - pts
                yield float(pts * style.time_base), packet


def _audio_packets(heard: Any, sounds: dict[int, Any]) -> Iterator[tuple[float, Any]]:
    for packet in heard.demux([heard.streams[index] for index in sounds]):
        if packet.dts is not None:
            seconds = float(packet.dts * packet.time_base)
            packet.stream = sounds[packet.stream.index]
            yield seconds, packet


def _add_stream(container: Any, pixels: np.ndarray, style: VideoFormat) -> Any:
    height, width = pixels.shape[:2]
    rate = style.rate.limit_denominator(1 << 16)
    stream = container.add_stream(CODEC, rate=rate, options=OPTIONS)
    stream.width, stream.height = width, height
    # Colour at half the resolution, which every player knows, takes even sides.
    stream.pix_fmt = 'yuv420p' if width % 2 == height % 2 == 0 else 'yuv444p'
    context = stream.codec_context
    context.time_base = 1 / rate
    for name in ('colorspace', 'color_range', 'color_primaries', 'color_trc'):
        setattr(context, name, getattr(style, name))
    return stream


def _matrix(colorspace: int) -> int:
    """The matrix to RGB that FFmpeg's scaler takes for a stream's colour space: BT.709, or BT.601 if it names none."""
    return 1 if colorspace == 1 else 5


@contextmanager
def _readable(path: Path, av: Any) -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError) and not isinstance(error, ValueError):
            raise
        raise ImageFileError(path, f'cannot be decoded as a video ({error.strerror or error})') from error
