"""Measure frames per second, and compare the flicker of tracked faces with faces restored frame by frame.

Portraits move smoothly over a generated background. Veil, length and direction of the rain are constant; its drops are
random in each frame. The video is restored frame by frame, with detection in each full frame, and as in `rainrestore
restore`, with tracking and smoothing. For both, the script computes from the known positions:

    flicker   mean |F_t - F_(t-1)| in the middle of each face, cropped at its true position, in grey levels of 255
    jitter    root mean square of the second difference of the crop's error, in percent of its side
    PSNR      of the same part of the face against the video without rain, in dB (RGB, no border crop)

The last line is JSON.
"""

import argparse
import json
import math
import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from rainrestore.apis import TASKS, PhotoRestorer, Restorer, VideoSettings, restore_video
from rainrestore.apis.video import FrameRestorer
from rainrestore.apis.video_files import VideoFormat, VideoFrame, VideoReader, write_part
from rainrestore.benchmark.scenes import background
from rainrestore.cli.options import whole_number
from rainrestore.engine.allocator import keep_freed_memory
from rainrestore.faces import FaceCrop, cut, paste, soft_mask
from rainrestore.image_io import list_images, read_image
from rainrestore.physics import RAIN_RANGES, draw_scene, quantise, resize, seeded_rng

ROOT = Path(__file__).resolve().parents[2]
RATE = 25
HEIGHT, WIDTH = 240, 320
#: Crops are compared at this size, inside of the radius in which the soft mask is 1.
COMPARED = 64


def main() -> None:
    """Run the benchmark and print a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--frames', type=whole_number, default=50)
    parser.add_argument('--side', type=whole_number, default=48, help='side of the crops of the faces (default 48)')
    parser.add_argument('--search-every', type=whole_number, default=VideoSettings().search_every)
    parser.add_argument('--detector', default='MTCNNDetector', help='a registered detector or a config file')
    parser.add_argument('--model', default=TASKS['faces'].model, help='default: %(default)s')
    parser.add_argument('--device')
    args = parser.parse_args()
    keep_freed_memory()  # as `rainrestore restore`
    faces = [read_image(file) for file in list_images(ROOT / 'data' / 'portraits128' / 'test' / 'img')[:2]]
    paths = [path(args.frames, args.side, x) for x in (0.28, 0.72)]
    clean = clean_frames(faces, paths)
    rainy = rain(clean, args.side)
    photos = PhotoRestorer(Restorer(args.model, device=args.device), args.detector)
    settings = VideoSettings(search_every=args.search_every)
    alone = VideoSettings(search_every=1)

    def by_itself(frame: VideoFrame) -> tuple[np.ndarray, list[FaceCrop]]:
        return FrameRestorer(photos, alone)(frame)

    follower = FrameRestorer(photos, settings)
    table = {'clean': measure(clean, None, clean, paths), 'rainy': measure(rainy, None, clean, paths)}
    for kind, restore in (('frame by frame', by_itself), ('followed', follower)):
        begin = time.perf_counter()
        results = [restore(VideoFrame(number, number / RATE, number, pixels)) for number, pixels in enumerate(rainy)]
        spent = time.perf_counter() - begin
        table[kind] = measure([pixels for pixels, _ in results], [crops for _, crops in results], clean, paths)
        table[kind]['frames_per_second'] = round(len(rainy) / spent, 3)
    for kind, row in table.items():
        print(f'{kind:>15}  ' + '  '.join(f'{name} {value}' for name, value in row.items()))
    result = {
        'benchmark': 'video', 'frames': args.frames, 'size': [WIDTH, HEIGHT], 'side': args.side, 'faces': len(faces),
        'search_every': args.search_every, 'detector': args.detector, 'model': args.model,
        'device': str(photos.restorer.device), 'results': table,
        'file_to_file_frames_per_second': file_to_file(photos, rainy, settings),
    }  # fmt: skip
    print(json.dumps(result))


def path(frames: int, side: int, start: float) -> list[FaceCrop]:
    """The path of a head that moves slowly."""
    crops = []
    for frame in range(frames):
        phase = 2 * math.pi * frame / (3 * RATE) + 9 * start
        x, y = start * WIDTH + 0.4 * side * math.sin(phase), HEIGHT / 2 + 0.15 * side * math.cos(2 * phase)
        crops.append(FaceCrop(x, y, side * (1 + 0.05 * math.sin(phase / 2)), 6 * math.sin(phase)))
    return crops


def clean_frames(faces: list[np.ndarray], paths: list[list[FaceCrop]]) -> list[np.ndarray]:
    """The video without rain."""
    frames = []
    for crops in zip(*paths, strict=True):
        frame = background(HEIGHT, WIDTH)
        for face, crop in zip(faces, crops, strict=True):
            paste(frame, face, crop)
        frames.append(frame)
    return frames


def rain(clean: list[np.ndarray], side: int) -> list[np.ndarray]:
    """rain_v1 with a constant veil and kind of streak, and new drops in each frame."""
    ranges = RAIN_RANGES['rain_v1']
    rng = seeded_rng(0, 'video')
    names = ('noise_mean', 'noise_variance', 'length', 'angle', 'beta', 'airlight')
    drawn = {name: float(rng.uniform(*getattr(ranges, name))) for name in names}
    ranges = replace(ranges, **{name: (value, value) for name, value in drawn.items()})
    return [
        quantise(draw_scene(frame / np.float32(255), ranges, seeded_rng(number, 'video'), face_side=side).I)
        for number, frame in enumerate(clean)
    ]


def measure(
    frames: list[np.ndarray], found: list[list[FaceCrop]] | None, clean: list[np.ndarray], paths: list[list[FaceCrop]]
) -> dict[str, float | None]:
    """Flicker, jitter, PSNR and the share of found faces."""
    inner = soft_mask(COMPARED) == 1
    flickers, errors, jitters, hits = [], [], [], 0
    for crops in paths:
        seen, true = (
            np.array([
                resize(cut(frame, crop), COMPARED, COMPARED)[inner] for frame, crop in zip(video, crops, strict=True)
            ])
            for video in (frames, clean)
        )  # fmt: skip
        flickers.append(np.abs(np.diff(seen, axis=0)).mean() * 255)
        errors.append(np.square(seen - true).mean())
        if found is not None:
            offsets = [offset(here, crop) for here, crop in zip(found, crops, strict=True)]
            hits += sum(value is not None for value in offsets)
            nan = np.full((4, 2), np.nan)
            second = np.diff([nan if value is None else value for value in offsets], 2, axis=0)
            jitters.append(second[np.isfinite(second).all((1, 2))])
    jitter = np.concatenate(jitters) if jitters else np.empty(0)
    mean_error = float(np.mean(errors))
    return {
        'flicker': round(float(np.mean(flickers)), 3),
        'jitter': round(100 * float(np.sqrt(np.square(jitter).sum(-1).mean())), 3) if jitter.size else None,
        'PSNR': round(-10 * math.log10(mean_error), 2) if mean_error else None,
        'found': round(hits / (len(paths) * len(frames)), 4) if found is not None else None,
    }


def offset(found: list[FaceCrop], truth: FaceCrop) -> np.ndarray | None:
    """Offset of the corners of the nearest crop, in sides; None if no centre is within half a side."""
    near = min(found, key=lambda crop: math.hypot(crop.x - truth.x, crop.y - truth.y), default=None)
    if near is None or math.hypot(near.x - truth.x, near.y - truth.y) > truth.side / 2:
        return None
    return (near.corners() - truth.corners()) / truth.side


def file_to_file(photos: PhotoRestorer, frames: list[np.ndarray], settings: VideoSettings) -> float:
    """Frames per second of reading, restoring and writing a file."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / 'in.mp4', Path(folder) / 'out.mp4'
        style = VideoFormat(Fraction(1, RATE), Fraction(RATE), 2, 0, 2, 2)
        write_part(source, [VideoFrame(number, 0, number, pixels) for number, pixels in enumerate(frames)], style)
        begin = time.perf_counter()
        restore_video(photos, source, target, settings)
        spent = time.perf_counter() - begin
        with VideoReader(target) as reader:
            assert sum(1 for _ in reader.read()) == len(frames)
    return round(len(frames) / spent, 3)


if __name__ == '__main__':
    main()
