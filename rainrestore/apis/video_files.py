"""Read and write video with PyAV (FFmpeg): RGB frames with their times, parts of a video, and the joined video."""

import heapq
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rainrestore.apis.video_streams import CONTAINERS, OtherStreams, copy_description, main_video
from rainrestore.errors import ConfigError, ImageFileError
from rainrestore.files import whole_file
from rainrestore.image_io import check_regular
from rainrestore.optional import optional_import

INSTALL = 'pip install av'
#: Larger frames are not decoded, as for images.
MAX_PIXELS = 89_000_000
#: H.264 of high quality, without B-frames, so that packets are in the order of the frames.
CODEC = 'libx264'
OPTIONS = {'crf': '16', 'preset': 'medium', 'bf': '0'}
#: FFmpeg's flags of its scaler: bilinear, full_chroma_int, full_chroma_inp, accurate_rnd. Its default conversion to RGB
#: rounds down, so that a restored video would be darker than its source by a level.
SCALER = 0x2 | 0x2000 | 0x4000 | 0x40000
#: FFmpeg's number of a colour space -> number of the RGB matrix in its scaler. Others are stored as BT.709.
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
BT709, UNSPECIFIED = 1, 2
#: In seconds. A longer gap between two frames is a pause of the recording. A shorter missing end is no loss.
LONGEST_GAP, LEAST_LOSS = 5, 0.3
#: A video has a constant frame rate if more than this fraction of the intervals between frames are equal.
REGULAR = 0.8


@dataclass(frozen=True)
class VideoFrame:
    """A frame.

    Attributes:
        number: Index, from 0.
        time: Time in seconds from the zero of the stream.
        pts: The same time in units of the stream's time base.
        pixels: H x W x 3 uint8 RGB, upright.
        aspect: Width of a pixel divided by its height.
    """

    number: int
    time: float
    pts: int
    pixels: np.ndarray
    aspect: Fraction = Fraction(1)


@dataclass(frozen=True)
class VideoFormat:
    """The format of a video stream: time base, frame rate, and FFmpeg's numbers for its colours.

    ``aspect``: width of a pixel of an upright frame, divided by its height.
    """

    time_base: Fraction
    rate: Fraction
    colorspace: int
    color_range: int
    color_primaries: int
    color_trc: int
    aspect: Fraction = Fraction(1)


class VideoReader:
    """A context manager that reads the frames of the first video stream of a file.

    Damage does not end the reading: all decodable frames are returned, and :meth:`notes` has the number of missing
    frames. FFmpeg detects only damaged syntax, because codecs have no checksum of the frames.

    Attributes:
        format: Format of the stream; its ``aspect`` is known after the first frame.
        frames: Number of frames according to the file; 0 if unknown.
        pixels: Number of pixels of the first frame.
        seconds: Duration according to the file; 0 if unknown.
        decoded: Number of decoded frames so far.

    Raises:
        ImageFileError: No such file, or no video in it.
        MissingPackageError: PyAV is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.av: Any = optional_import('av', 'reading a video', INSTALL)
        self.decoded = 0
        self._packets = self._failed = self._flawed = self._steps = self._gaps = 0
        self._interlaced = self._has_alpha = False
        self._flaw_at: float | None = None
        self._gap_at = self._end = 0.0
        self._cut_off: str | None = None
        self._size = (0, 0)
        self._sizes: dict[tuple[int, int], float] = {}

    def __enter__(self) -> 'VideoReader':
        check_regular(self.path)
        with _readable(self.path, self.av):
            self.container = self.av.open(str(self.path), metadata_errors='replace')
        self.stream = main_video(self.container)
        context = None if self.stream is None else self.stream.codec_context
        if context is None or not context.width or context.width * context.height > MAX_PIXELS:
            self.container.close()
            problem = f'its video cannot be decoded, or its frames exceed {MAX_PIXELS} pixels'
            raise ImageFileError(self.path, 'has no video stream' if self.stream is None else problem)
        self.stream.thread_type = 'AUTO'
        self.frames: int = self.stream.frames
        if self.container.format.name == 'avi':
            # The header counts empty packets, which repeat a frame; the index does not. A cut file has no whole index.
            index = self.stream.index_entries
            if len(index) and index[len(index) - 1].timestamp == self.frames - 1:
                self.frames = len(index)
        self.pixels: int = context.width * context.height
        # Files without times state their rate in the stream only: FFmpeg's average is the default of 25.
        timeless = bool(self.container.format.flags & self.av.format.Flags.no_timestamps.value)
        average = None if timeless else self.stream.average_rate
        rate = average or self.stream.guessed_rate or Fraction(25)
        colorspace = context.colorspace if context.colorspace in (*_MATRICES, UNSPECIFIED) else BT709
        self.format = VideoFormat(
            self.stream.time_base, rate, colorspace, int(context.color_range), int(context.color_primaries),
            int(context.color_trc),
        )  # fmt: skip
        return self

    def __exit__(self, *_exception: object) -> None:
        self.container.close()

    def read(self, skip: int = 0) -> Iterator[VideoFrame]:
        """Yield the frames after the first ``skip`` frames, all in the size of the first frame."""
        last = -math.inf
        step = max(round(1 / (self.format.rate * self.format.time_base)), 1)
        with _readable(self.path, self.av):
            for number, frame in enumerate(self._decode()):
                pts = frame.pts
                # Some files have no times, or decreasing times. Like players, use the order of the frames.
                if pts is None or pts <= last:
                    pts = 0 if last == -math.inf else int(last) + step
                time = float(pts * self.format.time_base)
                if number:
                    self._measure(pts - int(last), step, time)
                last = pts
                self._end = float((pts + max(frame.duration or 0, step)) * self.format.time_base)
                if frame.is_corrupt:
                    self._flaw(time)
                    self._flawed += 1
                self.decoded = number + 1
                self._interlaced |= frame.interlaced_frame
                self._has_alpha |= any(part.is_alpha for part in frame.format.components)
                matrix = _display_matrix(frame)
                size = (frame.width, frame.height) if _turns_over(matrix) else (frame.height, frame.width)
                if not number:
                    aspect = self.stream.sample_aspect_ratio or Fraction(1)
                    aspect = 1 / aspect if _turns_over(matrix) else aspect
                    self.format = replace(self.format, aspect=aspect.limit_denominator(1 << 15))
                    self._size = size
                if size != self._size:
                    self._sizes.setdefault(size, time)
                if number >= skip:
                    yield VideoFrame(number, time, pts, self._pixels(frame, matrix, time), self.format.aspect)

    def _decode(self) -> Iterator[Any]:
        """Yield the decoded frames, and count errors of the decoder."""
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except self.av.FFmpegError as error:
                if _is_of_system(error):
                    raise
                self._cut_off, packet = error.strerror or str(error), None
            if packet is not None and not packet.size:
                if packet.dts is not None:  # AVI: an empty packet repeats the previous frame
                    continue
                packet = None
            self._packets += packet is not None and not packet.is_discard
            try:
                yield from self.stream.decode(packet)
            except self.av.EOFError:
                return
            except self.av.FFmpegError as error:
                if _is_of_system(error):
                    raise
                self._failed += 1
                self._flaw(None if packet is None else float((packet.pts or packet.dts or 0) * packet.time_base))
            if packet is None:
                return

    def _measure(self, interval: int, step: int, time: float) -> None:
        """Count regular intervals between frames, and the frames that are missing in longer intervals."""
        self._steps += abs(interval - step) < 0.1 * step + 1
        if interval > 1.5 * step and interval * self.format.time_base < LONGEST_GAP:
            self._gap_at = self._gap_at if self._gaps else time
            self._gaps += round(interval / step) - 1

    def _flaw(self, time: float | None) -> None:
        if time is not None:
            self._flaw_at = time if self._flaw_at is None else min(self._flaw_at, time)

    def _pixels(self, frame: Any, matrix: np.ndarray | None, time: float) -> np.ndarray:
        if frame.width * frame.height > MAX_PIXELS:
            raise ImageFileError(self.path, f'its frames at {time:.2f} s exceed {MAX_PIXELS} pixels')
        pixels = frame.to_ndarray(format='rgb24', interpolation=SCALER)
        if matrix is not None:
            pixels = np.ascontiguousarray(_shown(pixels, matrix))
        return pixels if pixels.shape[:2] == self._size else _fitted(pixels, *self._size)

    def notes(self) -> tuple[str, ...]:
        """Notes on damage, on changes of the frame size and on omitted streams; complete after :meth:`read`."""
        notes = []
        missing = max(self._packets, self.frames) - self.decoded
        gaps = self._gaps if self._steps > REGULAR * (self.decoded - 1) else 0
        damaged = self._failed or self._flawed or self._cut_off or self.frames > self.decoded
        if damaged and (missing := max(missing, gaps)) > 0:
            total = self.decoded + missing
            notes.append(f'{missing} of {total} frames could not be decoded and are missing{self._first_flaw()}')
        elif gaps and not self.frames:
            notes.append(f'{gaps} frames seem to be missing, because the times of the frames have gaps, the first at '
                         f'{self._gap_at:.2f} s')  # fmt: skip
        lasts = self._declared_end()
        if not self.frames and lasts - self._end > LEAST_LOSS:
            notes.append(f'the duration is {lasts:.2f} s, but frames can be decoded only up to {self._end:.2f} s')
        if self._flawed:
            notes.append(f'{self._flawed} of {self.decoded} frames are damaged and were decoded as far as '
                         f'possible{self._first_flaw()}')  # fmt: skip
        if self._cut_off:
            notes.append(f'the file cannot be read to the end ({self._cut_off})')
        for (height, width), time in self._sizes.items():
            first = f'{self._size[1]}x{self._size[0]}'
            notes.append(f'frames from {time:.2f} s on have {width}x{height} pixels and were fitted into {first}')
        if self._interlaced:
            notes.append('it is interlaced and was not deinterlaced; to do this before, use ffmpeg -vf bwdif')
        if self._has_alpha:
            notes.append('its alpha channel is omitted')
        return tuple(notes)

    @property
    def seconds(self) -> float:
        """Duration in seconds according to the file; 0 if unknown."""
        return max(self._declared_end() - float((self.stream.start_time or 0) * self.stream.time_base), 0.0)

    def _declared_end(self) -> float:
        """End of the video in seconds according to the file; 0 if unknown."""
        start = float((self.stream.start_time or 0) * self.stream.time_base)
        if self.stream.duration:
            return start + float(self.stream.duration * self.stream.time_base)
        clock = re.match(r'(\d+):(\d+):(\d+\.\d+)', self.stream.metadata.get('DURATION', ''))
        if clock:
            hours, minutes, seconds = map(float, clock.groups())
            return 3600 * hours + 60 * minutes + seconds
        if len(self.container.streams) == 1 and self.container.duration:
            return start + self.container.duration / self.av.time_base
        return 0.0

    def _first_flaw(self) -> str:
        return '' if self._flaw_at is None else f', the first near {self._flaw_at:.2f} s'


def write_part(path: Path, frames: Iterable[VideoFrame], style: VideoFormat) -> None:
    """Write the frames of a part to a file, atomically; :func:`join_parts` sets their times.

    Raises:
        WriteError: The file cannot be written.
        ConfigError: This build of PyAV lacks the encoder.
    """
    av: Any = optional_import('av', 'writing a video', INSTALL)
    if CODEC not in av.codecs_available:
        raise ConfigError(f'this build of PyAV has no {CODEC}; install the build of the package index: {INSTALL}')
    with whole_file(path) as temporary, av.open(str(temporary), 'w', format='mp4') as container:
        stream = None
        for place, frame in enumerate(frames):
            if stream is None:
                stream = _add_stream(container, frame.pixels, style)
            image = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.pixels), format='rgb24')
            stored = image.reformat(
                format=stream.pix_fmt,
                dst_colorspace=_MATRICES.get(style.colorspace, 5),
                dst_color_range=style.color_range or None,
                interpolation=SCALER,
            )
            stored.pts, stored.time_base = place, stream.codec_context.time_base
            container.mux(stream.encode(stored))
        if stream is not None:
            container.mux(stream.encode())


def join_parts(
    parts: Iterable[tuple[Path, Sequence[int]]], source: Path, target: Path, style: VideoFormat
) -> tuple[str, ...]:
    """Join parts without encoding them again, and add the audio, the subtitles, tags and chapters of ``source``.

    Args:
        parts: Files of :func:`write_part`, and the times of their frames, ascending, in the time base of ``style``.
        source: The video with the other streams.
        target: File to write: ``.mp4``, ``.mov`` or ``.mkv``.
        style: Format of the parts.

    Returns:
        Notes on streams that are encoded again, damaged or omitted.

    Raises:
        WriteError: The file cannot be written.
        ImageFileError: The source cannot be read.
    """
    av: Any = optional_import('av', 'writing a video', INSTALL)
    suffix = target.suffix.lower()
    with _readable(source, av):
        original = av.open(str(source), metadata_errors='replace')
    with (
        original,
        whole_file(target) as temporary,
        av.open(str(temporary), 'w', format=CONTAINERS[suffix][0]) as container,
    ):
        parts = iter(parts)
        head = next(parts)
        with av.open(str(head[0])) as first:
            video = container.add_stream_from_template(first.streams.video[0])
        video.time_base = style.time_base
        copy_description(original, container)
        others = OtherStreams(av, original, container, suffix)
        streams = [_video_packets(av, itertools.chain([head], parts), video, style), others.packets()]
        for _, packet in heapq.merge(*streams, key=lambda item: item[0]):
            try:
                container.mux(packet)
            except av.FFmpegError as error:
                if packet.stream == video or _is_of_system(error):
                    raise
                others.refused(packet)
    return tuple(others.notes)


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


def _add_stream(container: Any, pixels: np.ndarray, style: VideoFormat) -> Any:
    height, width = pixels.shape[:2]
    rate = style.rate.limit_denominator(1 << 16)
    stream = container.add_stream(CODEC, rate=rate, options=OPTIONS)
    stream.width, stream.height = width, height
    # yuv420p, which all players support, needs even sides.
    stream.pix_fmt = 'yuv420p' if width % 2 == height % 2 == 0 else 'yuv444p'
    context = stream.codec_context
    context.time_base = 1 / rate
    context.sample_aspect_ratio = style.aspect
    for name in ('colorspace', 'color_range', 'color_primaries', 'color_trc'):
        setattr(context, name, getattr(style, name))
    return stream


def _display_matrix(frame: Any) -> np.ndarray | None:
    """Rotation and mirroring of a frame for display: 2 x 2, from stored x, y to displayed x, y."""
    data = frame.side_data.get('DISPLAYMATRIX')
    if data is None:
        return None
    entries = np.frombuffer(bytes(data), np.int32).reshape(3, 3)
    return entries[:2, :2].T


def _turns_over(matrix: np.ndarray | None) -> bool:
    """Whether the display matrix swaps rows and columns."""
    return matrix is not None and abs(int(matrix[0, 1])) > abs(int(matrix[0, 0]))


def _shown(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rotate and mirror a stored frame for display, to the nearest quarter turn."""
    if _turns_over(matrix):
        pixels, matrix = pixels.swapaxes(0, 1), matrix[:, ::-1]
    if matrix[0, 0] < 0:
        pixels = pixels[:, ::-1]
    return pixels[::-1] if matrix[1, 1] < 0 else pixels


def _fitted(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize an image to fit into height x width, with black borders."""
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    tall, wide = (max(round(side * scale), 1) for side in pixels.shape[:2])
    top, left = (height - tall) // 2, (width - wide) // 2
    result = np.zeros((height, width, 3), np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    result[top : top + tall, left : left + wide] = cv2.resize(pixels, (wide, tall), interpolation=how)
    return result


def _is_of_system(error: Exception) -> bool:
    """Whether an error of FFmpeg concerns the disk or the system, not the content of the file."""
    return isinstance(error, OSError) and not isinstance(error, ValueError)


@contextmanager
def _readable(path: Path, av: Any) -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:
        if _is_of_system(error):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise ImageFileError(path, f'cannot be decoded as a video ({error.strerror or error})') from error
