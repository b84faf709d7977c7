"""Measure seconds and peak memory of restoring a large photo with 1, 10 and 50 faces.

Portraits are pasted into a generated photo of 4000x3000 pixels in the rain of `rain_v1`. A separate process reads each
photo, detects, restores and blends its faces, and writes it. In each round, every photo is processed once. The script
prints a Markdown table of medians over the rounds: wall time; CPU time of all cores, which other programs affect less;
the ratio of this CPU time to the CPU time of the photo with the fewest faces in the same round; the peak resident
memory of the process; and its increase above the peak before the photo was read. The last line is JSON.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from timing import MIB, peak_memory

from rainrestore.benchmark.scenes import make_scene
from rainrestore.cli.options import whole_number
from rainrestore.image_io import encode_png, list_images, read_image
from rainrestore.physics import RAIN_RANGES, draw_scene, quantise, seeded_rng

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH = 3000, 4000


def main() -> None:
    """Run the benchmark and print a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--faces', type=whole_number, nargs='+', default=[1, 10, 50])
    parser.add_argument('--side', type=whole_number, default=160, help='side of the crop of a face (default: 160)')
    parser.add_argument('--rounds', type=whole_number, default=3)
    parser.add_argument('--size', type=whole_number, nargs=2, default=[HEIGHT, WIDTH], metavar=('HEIGHT', 'WIDTH'))
    parser.add_argument('--background', choices=('auto', 'keep', 'derain'), default='auto')
    parser.add_argument('--one', type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(restore_one(args.one, args.background)))
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for faces in sorted(args.faces):
            paths[faces] = Path(folder) / f'{faces}.png'
            paths[faces].write_bytes(encode_png(photo(faces, args.side, *args.size)))
        runs: dict[int, list[dict]] = {faces: [] for faces in paths}
        for _ in range(args.rounds):
            for faces, path in paths.items():
                command = [sys.executable, __file__, '--one', str(path), '--background', args.background]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                runs[faces].append(json.loads(done.stdout.splitlines()[-1]))
    first = next(iter(runs.values()))
    print('| faces | found | wall s | CPU s | CPU ratio | peak MiB | peak increase MiB |\n' + '|---' * 7 + '|')
    rows = []
    for faces, turns in runs.items():
        row = {key: median(turn[key] for turn in turns) for key in turns[0]}
        row['ratio'] = median(
            turn['core_seconds'] / other['core_seconds'] for turn, other in zip(turns, first, strict=True)
        )
        rows.append({'faces': faces, **row})
        print(f'| {faces} | {row["found"]:.0f} | {row["seconds"]:.1f} | {row["core_seconds"]:.1f} | '
              f'{row["ratio"]:.2f} | {row["mib"]:.0f} | {row["mib"] - row["mib_before"]:.0f} |')  # fmt: skip
    print(json.dumps({'benchmark': 'large photos', 'size': args.size, 'side': args.side, 'rounds': args.rounds,
                      'background': args.background, 'rows': rows}))  # fmt: skip


def photo(faces: int, side: int, height: int, width: int) -> np.ndarray:
    """A photo in rain with faces on a grid, H x W x 3 uint8."""
    portraits = [read_image(path) for path in list_images(ROOT / 'data' / 'portraits128' / 'test' / 'img')]
    columns = max(round((faces * width / height) ** 0.5), 1)
    rows = -(-faces // columns)
    places = [
        (round((number % columns + 0.5) * width / columns - side / 2),
         round((number // columns + 0.5) * height / rows - side / 2), side)
        for number in range(faces)
    ]  # fmt: skip
    shown = [(portraits[number % len(portraits)], place) for number, place in enumerate(places)]
    clean = make_scene(height, width, shown) / np.float32(255)
    return quantise(draw_scene(clean, RAIN_RANGES['rain_v1'], seeded_rng(0, 'large'), face_side=side).I)


def restore_one(path: Path, background: str) -> dict[str, float]:
    """Restore one photo from file to file in this process."""
    from rainrestore import compat
    from rainrestore.apis import PhotoRestorer, Restorer

    compat.apply()
    photos = PhotoRestorer(Restorer(), background=background)  # type: ignore[arg-type]
    cpu = torch.device('cpu')
    before = peak_memory(cpu)
    start, core = time.perf_counter(), time.process_time()
    result = photos(path)
    path.with_suffix('.out.png').write_bytes(encode_png(result.photo))
    return {
        'found': result.found, 'seconds': time.perf_counter() - start, 'core_seconds': time.process_time() - core,
        'mib_before': before / MIB, 'mib': peak_memory(cpu) / MIB,
    }  # fmt: skip


if __name__ == '__main__':
    main()
