"""Short videos for tests, written and read with PyAV, independently of the package."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenes import draw_marker

from rainrestore.benchmark.scenes import background
from rainrestore.faces import FaceCrop

av: Any = pytest.importorskip('av')

BASE = Fraction(1, 12800)


def marked_frames(crops: Sequence[FaceCrop | None], height: int = 96, width: int = 128) -> list[np.ndarray]:
    """Frames with a drawn face at each crop, or none."""
    frames = []
    for crop in crops:
        frame = background(height, width)
        if crop is not None:
            draw_marker(frame, crop)
        frames.append(frame)
    return frames


def write_clip(
    path: Path,
    frames: Sequence[np.ndarray],
    times: Sequence[int] | None = None,
    sound: bool = False,
    colours: tuple[int, int] = (2, 0),
    pixel_format: str = 'yuv420p',
    turn: int = 0,
) -> list[int]:
    """Write frames (H x W x 3 RGB, or raw frames of ``pixel_format``) at times in units of 1/12800 s; returns the
    times.

    ``turn``: degrees counter-clockwise by which players rotate the frames.
    """
    times = list(times or range(0, 512 * len(frames), 512))
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=25, options={'crf': '4', 'preset': 'ultrafast'})
        raw = frames[0].ndim == 2
        stream.height, stream.width = (frames[0].shape[0] * 2 // 3, frames[0].shape[1]) if raw else frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = BASE
        if turn:
            stream.set_display_rotation(turn)
        stream.codec_context.colorspace, stream.codec_context.color_range = colours
        voice = container.add_stream('aac', rate=8000, layout='mono') if sound else None
        if voice is not None:
            wave = (np.sin(np.arange(1024) * 0.3) * 9000).astype(np.float32)[None] / 32768
            for number in range(max(int(times[-1] * BASE * 8000) // 1024, 2)):
                heard = av.AudioFrame.from_ndarray(wave, format='fltp', layout='mono')
                heard.sample_rate, heard.pts = 8000, number * 1024
                container.mux(voice.encode(heard))
            container.mux(voice.encode())
        for frame, time in zip(frames, times, strict=True):
            image = av.VideoFrame.from_ndarray(frame, format=pixel_format if raw else 'rgb24')
            if raw:
                image.colorspace, image.color_range = colours
            image.pts, image.time_base = time, BASE
            container.mux(stream.encode(image))
        container.mux(stream.encode())
    return times


def read_clip(path: Path) -> tuple[list[np.ndarray], list[Fraction]]:
    """Frames and their times in seconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [frame.to_ndarray(format='rgb24') for frame in frames], [frame.pts * frame.time_base for frame in frames]


def audio(path: Path) -> list[tuple[Fraction, bytes]]:
    """Time and content of each audio packet."""
    with av.open(str(path)) as container:
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in container.demux(audio=0) if packet.size]
