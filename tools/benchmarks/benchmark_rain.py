"""Measure ScaleAwareHeavyRain on one core: 128x128 uint8 face in, quantised 32x32 observation and ground truth out.

A simple implementation of the same model (Pillow's resize of the uint8 face, float64 noise, one cv2.filter2D) runs in
the same rounds, so that the load of the machine affects both. Times are medians over the faces. The last line is JSON.
"""

from __future__ import annotations

import os

# Set before numpy and OpenCV create their thread pools.
for _variable in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ[_variable] = '1'

import argparse  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import platform  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from rainrestore.datasets.transforms.rain import ScaleAwareHeavyRain  # noqa: E402
from rainrestore.physics import motion_kernel, shrink  # noqa: E402

SIDE, SCALE, FACES = 128, 4, 64
GOAL = 3000


def synthetic_faces() -> list[np.ndarray]:
    """Smooth random images; the content does not affect the time."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (FACES, 12, 12, 3), dtype=np.uint8)
    resize = Image.Resampling.BICUBIC
    return [np.array(Image.fromarray(face).resize((SIDE, SIDE), resize)) for face in coarse]


def plain_rain(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A simple implementation of rain_v1."""
    side = SIDE // SCALE
    margin = 8
    small = np.asarray(Image.fromarray(face).resize((side, side), Image.Resampling.BICUBIC)) / 255.0
    mean, deviation = -rng.uniform(0.8, 1.0), math.sqrt(rng.uniform(0.7, 1.0))
    length, angle = rng.uniform(5, 12), rng.uniform(70, 110)
    noise = np.clip(rng.normal(mean, deviation, (side + 2 * margin, side + 2 * margin)), 0, 1)
    layer = cv2.filter2D(noise, cv2.CV_64F, motion_kernel(length, angle))[margin:-margin, margin:-margin]
    layer = layer * (0.4 + 0.075 * length + 0.1 * rng.uniform())
    streak = np.minimum(small + layer[:, :, None], 1) - small
    transmission, airlight = math.exp(-rng.uniform(0.5, 1.2)), rng.uniform(0.5, 0.95)
    observed = transmission * (small + streak) + (1 - transmission) * airlight
    return np.round(observed * 255).clip(0, 255).astype(np.uint8)


def seconds(job: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def main() -> None:
    """Run the benchmark and print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=30, help=f'rounds of {FACES} faces each (default 30)')
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error(f'--rounds must be at least 1, got {rounds}')
    cv2.setNumThreads(1)
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    faces = synthetic_faces()
    seeded, fresh = ScaleAwareHeavyRain(scale=SCALE, seed=0), ScaleAwareHeavyRain(scale=SCALE)
    rng = np.random.default_rng(0)
    jobs: dict[str, Callable[[np.ndarray, str], object]] = {
        'seeded': lambda face, name: seeded({'gt': face, 'name': name}),
        'fresh': lambda face, name: fresh({'gt': face, 'name': name}),
        'shrink_only': lambda face, name: shrink(face, SCALE),
        'plain': lambda face, name: plain_rain(face, rng),
    }
    times: dict[str, list[float]] = {kind: [] for kind in jobs}
    for turn in range(rounds + 1):
        for number, face in enumerate(faces):
            for kind, job in jobs.items():
                spent = seconds(lambda job=job, face=face, name=f'{turn}-{number}': job(face, name))
                if turn:  # The first round fills the caches.
                    times[kind].append(spent)
    rates = {kind: 1 / statistics.median(spent) for kind, spent in times.items()}
    for kind, rate in rates.items():
        print(f'{kind:12} {rate:8.0f} faces/s   median {1e6 / rate:6.1f} us')
    result = {
        'benchmark': 'rain_v1 transform, one core',
        'faces_per_s': {kind: round(rate) for kind, rate in rates.items()},
        'times_plain': round(rates['seeded'] / rates['plain'], 2),
        'goal': GOAL,
        'reached': min(rates['seeded'], rates['fresh']) >= GOAL,
        'samples': rounds * FACES,
        'python': platform.python_version(),
        'numpy': np.__version__,
        'opencv': cv2.__version__,
    }
    print(json.dumps(result))


if __name__ == '__main__':
    main()
