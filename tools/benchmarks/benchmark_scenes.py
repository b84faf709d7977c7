"""Measure the quality of rain removal in whole scenes, and check that the result is not worse than the rainy scene.

The scenes are photos of scikit-image and scikit-learn (astronaut, coffee, cat, rocket; temple, flower), read from the
installed packages, and two generated images; with `--grey` they are grey photos of scikit-image. The shorter side is
resized to 192 pixels. Weather of one T is drawn over each: `rain` (`rain_v1` otherwise, with streaks for faces of
`--face-side` pixels), `haze` (no streaks), `depth` (rain whose T falls from 1 at the bottom of the image to the T of
the cell at its top), and `night` (rain over 0.4 J^2, with 0.4 S and 0.4 A).

A cell is the mean over scenes, before and after: PSNR against the clean scene (at most 50 dB a scene). The cast is the
largest shift of the mean of a channel against the other channels, before and after, in grey levels. The last line is
JSON; the exit code is 1 if the PSNR of a cell is more than 0.1 dB below the rainy scene.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from rainrestore import compat
from rainrestore.apis import TASKS, Restorer
from rainrestore.benchmark.scenes import dead_leaves
from rainrestore.cli.options import whole_number
from rainrestore.datasets.transforms.rain_and_haze import smooth_depth
from rainrestore.image_io import read_image
from rainrestore.optional import packaged_file
from rainrestore.physics import RainRanges, draw_scene, forward, quantise, resize, seeded_rng

#: Package and file: NASA's, two under CC0, SpaceX's; two under CC BY 2.0 by danielbuechele and vultilion.
PHOTOS = (
    ('skimage', 'data/astronaut.png'),
    ('skimage', 'data/coffee.png'),
    ('skimage', 'data/chelsea.png'),
    ('skimage', 'data/rocket.jpg'),
    ('sklearn', 'datasets/images/china.jpg'),
    ('sklearn', 'datasets/images/flower.jpg'),
)
#: Grey photos of scikit-image, most of them without black.
GREY = tuple(('skimage', f'data/{name}.png') for name in ('clock_motion', 'brick', 'moon', 'page', 'gravel', 'grass'))
#: Seeds of the generated images; lower seeds are in the training data.
LEAVES = (10_000, 10_001)
SIDE = 192
FACE_SIDE = 48
TRANSMISSIONS = (0.3, 0.6, 0.9, 1.0)
#: Weather -> number of rain layers, and whether T varies.
WEATHERS = {'rain': (1, False), 'haze': (0, False), 'depth': (1, True), 'night': (1, False)}
#: Exposure of `night`.
NIGHT = 0.4
CAP = 50.0
TOLERANCE = 0.1


def main() -> int:
    """Run the benchmark and print a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', default=TASKS['rain'].model, help='default: %(default)s')
    parser.add_argument('--checkpoint', help='weights, if --model is a config')
    parser.add_argument('--transmissions', type=float, nargs='+', default=list(TRANSMISSIONS))
    parser.add_argument('--weathers', choices=WEATHERS, nargs='+', default=list(WEATHERS))
    parser.add_argument('--face-side', type=whole_number, default=FACE_SIDE, help='default: %(default)s')
    parser.add_argument('--airlight', type=float, help='A, 0.5 to 1 (default: drawn as in rain_v1)')
    scenes_of = parser.add_mutually_exclusive_group()
    scenes_of.add_argument('--generated', action='store_true', help='only the generated scenes, which need no packages')
    scenes_of.add_argument('--grey', action='store_true', help='only grey photos, which are mistaken for haze')
    parser.add_argument('--device')
    args = parser.parse_args()
    compat.apply()
    if args.generated:
        scenes = generated()
    elif args.grey:
        scenes = photos(GREY)
    else:
        scenes = {**photos(PHOTOS), **generated()}
    restorer = Restorer(args.model, args.checkpoint, device=args.device, task='rain')
    print('| weather | ' + ' | '.join(f'T = {value:g}' for value in args.transmissions) + ' | cast at T = 1 |')
    print('|---' * (len(args.transmissions) + 2) + '|')
    cells = []
    for weather in args.weathers:
        row = [measure(restorer, scenes, weather, value, args.airlight, args.face_side) for value in args.transmissions]
        cells += row
        shown = ' | '.join(f'{cell["PSNR"][0]:.1f} → {cell["PSNR"][1]:.1f}' for cell in row)
        casts = [f'{cell["cast"][0]:.2f} → {cell["cast"][1]:.2f}' for cell in row if cell['T'] == 1]
        print(f'| {weather} | {shown} | {"".join(casts)} |', flush=True)
    worst = min(cell['PSNR'][1] - cell['PSNR'][0] for cell in cells)
    result = {
        'benchmark': 'whole scenes', 'model': args.model, 'device': str(restorer.device), 'face_side': args.face_side,
        'scenes': list(scenes), 'worst_gain': round(worst, 3), 'cells': cells,
    }  # fmt: skip
    print(json.dumps(result))
    return int(worst < -TOLERANCE)


def photos(files: Iterable[tuple[str, str]]) -> dict[str, np.ndarray]:
    """Name -> photo of a Python package; none of them is in the training data."""
    found = {}
    for package, file in files:
        path = packaged_file(package, file, 'benchmark_scenes.py', 'pip install scikit-image scikit-learn')
        found[path.stem] = small(read_image(path))
    return found


def generated() -> dict[str, np.ndarray]:
    """Name -> generated image."""
    return {f'leaves {seed}': dead_leaves(SIDE, seed) for seed in LEAVES}


def small(image: np.ndarray) -> np.ndarray:
    """Resize an image to ``SIDE`` pixels at its shorter side, uint8."""
    ratio = SIDE / min(image.shape[:2])
    height, width = (round(length * ratio) for length in image.shape[:2])
    return quantise(resize(image, height, width))


def measure(
    restorer: Restorer,
    scenes: dict[str, np.ndarray],
    weather: str,
    transmission: float,
    airlight: float | None,
    face_side: int,
) -> dict[str, Any]:
    """PSNR before and after, the mean and for each scene; the worst gain; the largest cast before and after."""
    pairs, casts = {}, []
    for name, day in scenes.items():
        clean = at_night(day) if weather == 'night' else day
        rainy = in_weather(clean, weather, transmission, name, airlight, face_side)
        restored = restorer(rainy)
        pairs[name] = (psnr(rainy, clean), psnr(restored, clean))
        casts.append((cast(rainy, clean), cast(restored, clean)))
    gains = [after - before for before, after in pairs.values()]
    return {
        'weather': weather, 'T': transmission, 'PSNR': np.mean(list(pairs.values()), 0).round(3).tolist(),
        'worst_scene': round(min(gains), 3), 'cast': np.max(casts, 0).round(3).tolist(),
        'scenes': {name: [round(value, 1) for value in pair] for name, pair in pairs.items()},
    }  # fmt: skip


def at_night(day: np.ndarray) -> np.ndarray:
    """An H x W x 3 uint8 image with the contrast and the exposure of the night."""
    return quantise(NIGHT * np.square(day / np.float32(255)))


def in_weather(
    clean: np.ndarray,
    weather: str,
    transmission: float,
    name: str,
    airlight: float | None = None,
    face_side: int = FACE_SIDE,
) -> np.ndarray:
    """A clean scene (H x W x 3 uint8) in weather of this T, with this A or a drawn one."""
    layers, varies = WEATHERS[weather]
    beta = -math.log(transmission)
    exposure = np.float32(NIGHT if weather == 'night' else 1)
    rng = seeded_rng(0, f'{name}-{weather}-{transmission}')
    ranges = RainRanges(beta=(beta, beta), layers=layers)
    if airlight is not None:
        ranges = replace(ranges, airlight=(airlight, airlight))
    scene = draw_scene(clean / np.float32(255), ranges, rng, face_side=face_side)
    if not varies:
        return quantise(forward(scene.J, exposure * scene.S, scene.T, exposure * scene.A))
    depth = smooth_depth(*clean.shape[:2], rng)
    T = np.exp(-beta * depth).astype(np.float32)[..., None]
    return quantise(forward(scene.J, scene.S, T, scene.A))


def cast(image: np.ndarray, truth: np.ndarray) -> float:
    """Largest shift of the mean of a channel against the mean shift, in grey levels."""
    shift = image.mean((0, 1)) - truth.mean((0, 1))
    return float(np.abs(shift - shift.mean()).max())


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """In dB, at most 50."""
    error = float(np.square(image.astype(float) - truth).mean())
    return min(10 * math.log10(255**2 / error), CAP) if error else CAP


if __name__ == '__main__':
    sys.exit(main())
