"""Add heavy rain to a folder of faces, and write I, J, S, T, A, the parameters and hashes.

OUT receives:

- I/NAME.png, the small rainy face, and J/NAME.png, the small rain-free face, 8-bit RGB;
- S/NAME.png (streaks, RGB), T/NAME.png (transmission, grey) and A/NAME.png (airlight, RGB), 16-bit, value / 65535;
- rain.json: ranges, seed, scale, versions, and for each name its source file, the drawn parameters, and the sha256 of
  the pixels (C order, RGB, 16-bit values little-endian) of the five images and of the source (HR);
- sheet.png: the first faces, as in Fig. 5 of the paper.

The rain depends on the file name without suffix and on the seed; the transform ScaleAwareHeavyRain(seed=SEED) draws the
same rain. OUT appears when all files are written.
"""

import argparse
import hashlib
import json
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rainrestore import __version__
from rainrestore.cli.options import file_path, seed_number, whole_number
from rainrestore.datasets.face_dataset import by_stem
from rainrestore.datasets.transforms.rain import ScaleAwareHeavyRain
from rainrestore.errors import ConfigError, DatasetError
from rainrestore.image_io import encode_png, list_images, read_image, sixteen_bit
from rainrestore.physics import RAIN_RANGES, RainRanges, RainRangesError, quantise
from rainrestore.visualization.sheets import TITLES, Row, image_sheet

SHEET_TITLES = [TITLES[letter] for letter in ('I', 'H', 'J', 'S', 'J + S', 'T', 'A')]
SHEET_ROWS = 8


def _setting(text: str) -> tuple[str, float | int | tuple[float, float]]:
    """Parse ``beta=0.5,0.8``, ``beta=0.6`` (a fixed value) or ``layers=2`` into the name and the value of a field."""
    name, equals, numbers = text.partition('=')
    try:
        values = [float(number) for number in numbers.split(',')]
    except ValueError:
        values = []
    if not equals or len(values) not in (1, 2):
        raise argparse.ArgumentTypeError(f'expected NAME=LOW,HIGH or NAME=VALUE, got {text!r}')
    name = name.strip()
    if len(values) == 2:
        return name, (values[0], values[1])
    if name in [item.name for item in fields(RainRanges) if isinstance(item.default, tuple)]:
        return name, (values[0], values[0])
    return name, int(values[0]) if values[0].is_integer() and name == 'layers' else values[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore synthesize``."""
    add = parser.add_argument
    add('input', metavar='INPUT', type=file_path, help='folder of faces, or one image')
    add('-o', '--out', type=file_path, required=True, help='new or empty folder to write to')
    add('--seed', type=seed_number, default=0, help='seed of the rain; the file name also counts (default: 0)')
    add('--rain', choices=sorted(RAIN_RANGES), default='rain_v1', help='named distribution (default: rain_v1)')
    change = 'change a range of --rain, such as beta=0.5,0.8 or layers=2; may be repeated; fields: '
    change += ', '.join(item.name for item in fields(RainRanges))
    add('--set', dest='settings', metavar='NAME=LOW,HIGH', type=_setting, action='append', default=[], help=change)
    add('--scale', type=whole_number, default=4, help='side of the face / side of I (default: 4)')
    add('--limit', type=whole_number, metavar='N', help='only the first N faces by name')


def _sources(source: Path, limit: int | None) -> dict[str, Path]:
    """File name without suffix -> file, sorted."""
    if not source.exists():
        raise DatasetError(f'{source}: no such file or folder')
    paths = list_images(source) if source.is_dir() else [source]
    if not paths:
        raise DatasetError(f'{source}: no images in this folder')
    return dict(list(by_stem(paths).items())[:limit])


def _degrade(name: str, source: Path, rain: ScaleAwareHeavyRain, folder: Path) -> tuple[dict[str, Any], Row]:
    """Write the five images of one face; return its entry for the JSON and its row of the sheet."""
    gt = read_image(source)
    height, width = gt.shape[:2]
    sample = rain({'gt': gt, 'name': name, 'gt_path': source})
    small = sample['img'].shape[:2]
    maps = {
        'I': sample['img'],
        'J': quantise(sample['lr']),
        'S': sixteen_bit(sample['streak']),
        'T': sixteen_bit(sample['transmission']),
        'A': sixteen_bit(np.broadcast_to(sample['airlight'], (*small, 3))),
    }
    for kind, pixels in maps.items():
        (folder / kind / f'{name}.png').write_bytes(encode_png(pixels))
    hashes = {kind: hashlib.sha256(pixels.tobytes()).hexdigest() for kind, pixels in {'HR': gt, **maps}.items()}
    rainy, transmission, airlight = sample['lr'] + sample['streak'], sample['transmission'], sample['airlight']
    shown = (sample['lr'], sample['streak'], rainy, transmission, airlight)
    drawn = [quantise(np.broadcast_to(values, (*small, 3))) for values in shown]
    facts = {'source': source.name, 'size': [width, height], 'rain': sample['rain'], 'sha256': hashes}
    return facts, [sample['img'], gt, *drawn]


def synthesize(
    source: Path, out: Path, ranges: RainRanges, scale: int = 4, seed: int = 0, limit: int | None = None
) -> dict[str, Any]:
    """Run the command (see the module) and return the content of ``rain.json``.

    Args:
        source: Folder of faces, or one image.
        out: New or empty folder for the results.
        ranges: Distribution of the rain.
        scale: Side of the face / side of I.
        seed: Seed of the rain.
        limit: Number of faces; None for all.

    Raises:
        DatasetError: An unreadable image, a size that ``scale`` does not divide, two files with the same name, or
            ``out`` contains files or is inside ``source``; the message states the file and the remedy.
        OSError: ``out`` cannot be written.
    """
    out = out.resolve()
    named = _sources(source, limit)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(f'{out}: exists and is not an empty folder; remove it or choose another --out')
    if source.is_dir() and out.is_relative_to(source.resolve()):
        raise DatasetError(f'{out}: is inside the input folder {source}; choose another --out')
    rain = ScaleAwareHeavyRain(scale=scale, ranges=ranges, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{out.name}-', dir=out.parent) as holder:
        folder = Path(holder) / 'out'
        for kind in 'IJSTA':
            (folder / kind).mkdir(parents=True)
        faces: dict[str, Any] = {}
        rows: list[Row] = []
        for name, path in tqdm(named.items(), desc='rain', unit='face'):
            faces[name], row = _degrade(name, path, rain, folder)
            if len(rows) < SHEET_ROWS:
                rows.append(row)
        record = {
            'rain': ranges.name,
            'ranges': ranges.to_dict(),
            'scale': scale,
            'seed': seed,
            'versions': {'rainrestore': __version__, 'numpy': np.__version__},
            'faces': faces,
        }
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / 'rain.json').write_text(text + '\n', encoding='utf-8')
        image_sheet(rows, SHEET_TITLES, folder / 'sheet.png')
        if out.exists():
            out.rmdir()
        folder.rename(out)
    return record


def run(args: argparse.Namespace) -> None:
    """Run the command and print the paths of the results."""
    try:
        ranges = RainRanges.from_config({**RAIN_RANGES[args.rain].to_dict(), **dict(args.settings)})
    except RainRangesError as error:
        raise RainRangesError(f'--set: {error}') from None
    try:
        record = synthesize(args.input, args.out, ranges, args.scale, args.seed, args.limit)
    except OSError as error:
        raise ConfigError(f'--out {args.out}: cannot be written ({error.strerror or error})') from error
    print(f'{len(record["faces"])} faces with {record["rain"]} and seed {args.seed} in {args.out}')
    print(f'sheet: {args.out / "sheet.png"}')
