"""Measure the quality of restored faces in photos, and check that they are not worse than the rainy photo.

Portraits are pasted into generated photos, or into the photos of a folder. Rain or haze of one T is drawn over each
photo (`rain_v1` otherwise, streak lengths for the side of the faces), a camera records it, and the faces, at known
positions, are restored and blended as by `rainrestore restore`. A cell is one camera, weather, side and T. Its values
are means over faces, before and after, against the clean photo: PSNR over the inner circle of the crop (at most 50 dB a
face), LPIPS of the crop at 128 pixels, and the distance of dlib's face embeddings. LPIPS and identity are omitted if
their weights or packages are missing. The script prints one table for each measure, in the form of
docs/results/photos.md, and the number of faces with a lower PSNR after the restoration than before. The last line is
JSON; the exit code is 1 if the PSNR of a cell is more than 0.1 dB below the PSNR of the rainy photo.
"""

import argparse
import itertools
import json
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from rainrestore import compat
from rainrestore.apis import TASKS, PhotoRestorer, Restorer
from rainrestore.benchmark.scenes import Place, crop_of, make_scene
from rainrestore.cli.options import add_shared, whole_number
from rainrestore.errors import RainRestoreError
from rainrestore.evaluation import LPIPS, IdentityDistance
from rainrestore.faces import DetectedFace, cut, soft_mask
from rainrestore.image_io import list_images, read_image
from rainrestore.physics import RainRanges, RainScene, draw_scene, forward, quantise, resize, seeded_rng

ROOT = Path(__file__).resolve().parents[2]
FACES_PER_PHOTO = 4
TRANSMISSIONS = (0.3, 0.45, 0.6, 0.75, 0.9, 1.0)
WEATHERS = {'rain': 1, 'haze': 0}
CAP = 50.0
TOLERANCE = 0.1
#: A face with a larger loss of PSNR in dB counts as worse.
FACE_TOLERANCE = 0.5
#: `jpeg`: quality; `noise`: standard deviation; `cast`: factors of A.
QUALITY = 15
SIGMA = 15
CAST = np.array([1, 0.9, 0.75], np.float32)
CAMERAS = ('colour', 'grey', 'noise', 'jpeg', 'cast')
SEEN = 128


def main() -> int:
    """Run the benchmark and print a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, default=ROOT / 'data' / 'portraits128', help='folder {test,val}/img')
    parser.add_argument('--faces', type=whole_number, default=24, help='faces a cell (default 24)')
    parser.add_argument('--sides', type=whole_number, nargs='+', default=[24, 32, 48, 64, 96, 128])
    parser.add_argument('--transmissions', type=float, nargs='+', default=list(TRANSMISSIONS))
    parser.add_argument('--weathers', choices=WEATHERS, nargs='+', default=list(WEATHERS))
    parser.add_argument(
        '--cameras', choices=CAMERAS, nargs='+', default=['colour'],
        help=f'grey: without colour; noise: Gaussian, sigma {SIGMA} of 255; jpeg: quality {QUALITY}; cast: yellow '
        'light (default: colour)',
    )  # fmt: skip
    parser.add_argument('--backgrounds', type=Path, help='folder of photos (default: generated colours)')
    parser.add_argument('--model', default=TASKS['faces'].model, help='default: %(default)s')
    add_shared(parser, '--checkpoint')
    parser.add_argument(
        '--measures',
        choices=('LPIPS', 'identity'),
        nargs='*',
        default=['LPIPS', 'identity'],
        help='in addition to PSNR',
    )
    add_shared(parser, '--device')
    args = parser.parse_args()
    compat.apply()
    files = [file for split in ('test', 'val') for file in list_images(args.data / split / 'img')][: args.faces]
    faces = [read_image(file) for file in files]
    backgrounds = [read_image(file) for file in list_images(args.backgrounds)] if args.backgrounds else []
    restorer = Restorer(args.model, args.checkpoint, device=args.device)
    photos = PhotoRestorer(restorer, boxes={})
    measures = available_measures(args.measures)
    cells = []
    for camera, weather, side, transmission in itertools.product(
        args.cameras, args.weathers, args.sides, args.transmissions
    ):
        cell = measure(photos, faces, side, transmission, WEATHERS[weather], camera, measures, backgrounds)
        cells.append({'camera': camera, 'weather': weather, 'side': side, 'T': transmission, **cell})
        print(f'{camera} {weather} {side} T = {transmission:g}: {cell}', file=sys.stderr)
    for name in ('PSNR', *measures):
        print(table(cells, name, args.transmissions))
    worst = min(cell['PSNR'][1] - cell['PSNR'][0] for cell in cells)
    losses = sorted(loss for cell in cells for loss in cell['losses'])
    total = len(faces) * len(cells)
    print(f'{len(losses)} of {total} faces lose more than {FACE_TOLERANCE} dB, at most {max(losses, default=0)} dB')
    result = {
        'benchmark': 'faces in photos', 'model': args.model, 'checkpoint': args.checkpoint, 'faces': len(faces),
        'device': str(photos.restorer.device), 'data': args.data.name, 'worse_faces': len(losses),
        'backgrounds': len(backgrounds), 'worst_gain': round(worst, 3), 'measures': ['PSNR', *measures], 'cells': cells,
    }  # fmt: skip
    print(json.dumps(result))
    return int(worst < -TOLERANCE)


def table(cells: Sequence[dict[str, Any]], name: str, transmissions: Sequence[float]) -> str:
    """A Markdown table of one measure: a row for each camera, weather and side, a column for each T."""
    digits = 1 if name == 'PSNR' else 3
    head = ' | '.join(f'T = {value:g}' for value in transmissions)
    lines = [f'**{name}**', '', f'| camera | weather | side | {head} |', '|---' * (len(transmissions) + 3) + '|']
    for start in range(0, len(cells), len(transmissions)):
        row = cells[start : start + len(transmissions)]
        shown = ' | '.join(f'{cell[name][0]:.{digits}f} → {cell[name][1]:.{digits}f}' for cell in row)
        lines.append(f'| {row[0]["camera"]} | {row[0]["weather"]} | {row[0]["side"]} | {shown} |')
    return '\n'.join([*lines, ''])


def available_measures(names: Sequence[str]) -> dict[str, Any]:
    """The available metrics of LPIPS and identity; a note lists the others."""
    found = {}
    for name in names:
        try:
            found[name] = {'LPIPS': LPIPS, 'identity': IdentityDistance}[name]()
        except RainRestoreError as error:
            print(f'without {name}: {error}', file=sys.stderr)
    return found


def measure(
    photos: PhotoRestorer, faces: list[np.ndarray], side: int, transmission: float, layers: int,
    camera: str, measures: dict[str, Any], backgrounds: Sequence[np.ndarray] = (),
) -> dict[str, Any]:  # fmt: skip
    """Name of a measure -> its mean before and after; the share of changed faces; the losses in dB of worse faces."""
    beta = -math.log(transmission)
    length = 3 * side
    gap = (length - 2 * side) // 4
    places = [(gap + x * length // 2, gap + y * length // 2, side) for y in range(2) for x in range(2)]
    values: dict[str, list[tuple[float, float]]] = defaultdict(list)
    changed = 0
    for start in range(0, len(faces), FACES_PER_PHOTO):
        pasted = list(zip(faces[start : start + FACES_PER_PHOTO], places, strict=False))
        clean = make_scene(length, length, pasted, seed=start)
        if backgrounds:
            number = start // FACES_PER_PHOTO + round(100 * transmission)
            clean = in_front_of(backgrounds[number % len(backgrounds)], pasted, length)
        rng = seeded_rng(0, f'photos-{side}-{transmission}-{layers}-{start}')
        ranges = RainRanges(beta=(beta, beta), layers=layers)
        drawn = draw_scene(clean / np.float32(255), ranges, rng, face_side=side)
        clean, rainy = recorded(clean, drawn, camera, rng)
        crops = [crop_of(place) for _, place in pasted]
        result = photos.restore_faces(rainy, [DetectedFace(crop) for crop in crops], photos.derain(rainy))
        changed += sum(face.weight > 0 for face in result.faces)
        for crop in crops:
            truth, before, after = (cut(photo, crop) for photo in (clean, rainy, result.photo))
            values['PSNR'].append((psnr(before, truth), psnr(after, truth)))
            for name, distance in measures.items():
                target, *pair = (_tensor(image) for image in (truth, before, after))
                first, second = (float(distance.measure(image, target)[0]) for image in pair)
                values[name].append((first, second))
    means: dict[str, Any] = {name: np.mean(pairs, 0).round(4).tolist() for name, pairs in values.items()}
    losses = [round(before - after, 2) for before, after in values['PSNR'] if before - after > FACE_TOLERANCE]
    return {**means, 'changed': changed / len(faces), 'losses': losses}


def in_front_of(photo: np.ndarray, faces: Sequence[tuple[np.ndarray, Place]], length: int) -> np.ndarray:
    """The square in the middle of a photo, length x length x 3 uint8, with faces whose edges blend into it."""
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    result = resize(photo[top : top + side, left : left + side] / np.float32(255), length, length)
    for face, (x, y, size) in faces:
        mask = soft_mask(size)[..., None]
        part = result[y : y + size, x : x + size]
        part += mask * (resize(face / np.float32(255), size, size) - part)
    return quantise(result)


def recorded(
    clean: np.ndarray, drawn: RainScene, camera: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The clean and the rainy photo of a camera, H x W x 3 uint8; only a grey camera changes the clean one."""
    if camera == 'cast':
        return clean, quantise(forward(drawn.J, drawn.S, drawn.T, drawn.A * CAST))
    rainy = quantise(drawn.I)
    if camera == 'grey':
        first, second = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (clean, rainy))
        return np.repeat(first[..., None], 3, 2), np.repeat(second[..., None], 3, 2)
    if camera == 'noise':
        rainy = quantise(drawn.I + rng.normal(0, SIGMA / 255, rainy.shape).astype(np.float32))
    if camera == 'jpeg':
        _, stored = cv2.imencode('.jpg', rainy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        rainy = np.ascontiguousarray(cv2.imdecode(stored, cv2.IMREAD_COLOR)[..., ::-1])
    return clean, rainy


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """PSNR in the inner circle of the crop, in dB, at most 50."""
    inner = soft_mask(len(truth)) > 0.5
    error = float(np.square(image.astype(float) - truth)[inner].mean())
    return min(10 * math.log10(255**2 / error), CAP) if error else CAP


def _tensor(image: np.ndarray) -> torch.Tensor:
    """Convert to the input of the metrics: (1, 3, 128, 128) in [0, 255]."""
    large = quantise(resize(image, SEEN, SEEN))
    return torch.from_numpy(large.transpose(2, 0, 1)[None].copy()).float()


if __name__ == '__main__':
    sys.exit(main())
