"""Measure the time of `rainrestore restore one.png`, from the start of Python to the written file, and of its parts.

Each round runs in separate processes: an empty program, `import torch`, `import rainrestore.apis`, the command, and the
command with timers. The first round is not counted, because it fills the disk cache. The script prints Markdown tables
of median wall times; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

GOAL = 1.5

# Arguments: the start time and the command. Runs the command with a timer around each part.
CLOCK = """
import sys, time
marks = {'interpreter': time.time() - float(sys.argv[1])}
start = time.perf_counter()
import torch
marks['import torch'] = time.perf_counter() - start
start = time.perf_counter()
import rainrestore.apis, rainrestore.cli.main, rainrestore.cli.restore, tqdm
marks['import rainrestore and mmengine'] = time.perf_counter() - start

def timed(owner, name, label):
    function = getattr(owner, name)
    def wrapper(*args, **options):
        start = time.perf_counter()
        try:
            return function(*args, **options)
        finally:
            marks[label] = marks.get(label, 0) + time.perf_counter() - start
    setattr(owner, name, wrapper)

from rainrestore.apis import files, restorer
timed(restorer.Restorer, '__init__', 'load, fold and try the network')
timed(restorer.Restorer, '_run', 'forward')
timed(files, '_write', 'write')
start = time.perf_counter()
code = rainrestore.cli.main.main(['restore', *sys.argv[2:]])
whole = time.perf_counter() - start
# The network is tried without _run.
marks['options, plan, reading, hashes'] = whole - sum(
    marks[label] for label in ('load, fold and try the network', 'forward', 'write'))
import json
print(json.dumps(marks))
sys.exit(code)
"""


def run(words: list[str]) -> tuple[float, str]:
    """Run ``python WORDS``; return the wall time in seconds and the output."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout


def main() -> None:
    """Run the benchmark and print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=7)
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error(f'--rounds must be at least 1, got {args.rounds}')
    totals: dict[str, list[float]] = {}
    phases: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        image = Path(temporary) / 'one.png'
        pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(image)
        for turn in range(args.rounds + 1):
            # A new folder for each run, because finished files are skipped.
            out = [str(image), '-o', os.path.join(temporary, f'{turn}'), '--device', 'cpu', '--aligned']
            clocked = [*out[:2], os.path.join(temporary, f'{turn}_clock'), *out[3:]]
            programs = {
                'python': ['-c', 'pass'],
                'import torch': ['-c', 'import torch'],
                'import rainrestore.apis': ['-c', 'import rainrestore.apis'],
                'rainrestore restore one.png': ['-m', 'rainrestore.cli.main', 'restore', *out],
            }
            spent = {name: run(words)[0] for name, words in programs.items()}
            printed = run(['-c', CLOCK, str(time.time()), *clocked])[1]
            if turn:
                for name, value in spent.items():
                    totals.setdefault(name, []).append(value)
                for name, value in json.loads(printed.splitlines()[-1]).items():
                    phases.setdefault(name, []).append(value)
    # Ratio of the import times without the start of the interpreter, within each round.
    ratio = statistics.median(
        (ours - bare) / (torch - bare)
        for bare, torch, ours in zip(
            totals['python'], totals['import torch'], totals['import rainrestore.apis'], strict=True
        )
    )
    medians = {name: statistics.median(values) for name, values in totals.items()}
    parts = {name: statistics.median(values) for name, values in phases.items()}
    print(f'medians of {args.rounds} rounds, Python {platform.python_version()}\n')
    print('| process | seconds |\n| --- | ---: |')
    for name, value in medians.items():
        print(f'| `{name}` | {value:.2f} |')
    print('\n| part of the command | seconds | share |\n| --- | ---: | ---: |')
    for name, value in parts.items():
        print(f'| {name} | {value:.3f} | {value / sum(parts.values()):.0%} |')
    print(f'\nImporting takes {ratio:.2f} times as long as `import torch`.')
    result = {
        'benchmark': 'start-up',
        'seconds': {name: round(value, 3) for name, value in medians.items()},
        'parts': {name: round(value, 4) for name, value in parts.items()},
        'imports_times_torch': round(ratio, 2),
        'goal': GOAL,
        'reached': ratio < GOAL,
        'rounds': args.rounds,
        'python': platform.python_version(),
    }
    print(json.dumps(result))


if __name__ == '__main__':
    main()
