"""Compare the number of threads of ``limit_threads`` with torch's default while other programs keep cores busy.

``--busy`` processes keep one core each busy, by default all cores except one. A training step with batch size four and
the restoration of four faces run with both numbers of threads in turns. The load is the mean number of runnable
processes over the last minute. The last line is JSON.
"""

import argparse
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np
import torch
from benchmark_scaling import training_step
from timing import alternate

from rainrestore.apis import Restorer
from rainrestore.threads import limit_threads

BATCH = 4


def spin() -> None:
    """Keep a core busy."""
    while True:
        pass


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep a number of cores busy in the block."""
    processes = [multiprocessing.get_context('spawn').Process(target=spin, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def with_threads(count: int, job: Callable[[], Any]) -> Callable[[], Any]:
    """Make a job run with a number of threads."""

    def run() -> Any:
        torch.set_num_threads(count)
        return job()

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', default='fcg_gan_x4')
    parser.add_argument('--busy', type=int, help='number of busy cores (default: all cores except one)')
    parser.add_argument('--rounds', type=int, default=3)
    args = parser.parse_args()
    default = torch.get_num_threads()
    torch.set_num_threads(1)  # the jobs are built soon, whatever else runs
    count = max(multiprocessing.cpu_count() - 1, 0) if args.busy is None else args.busy
    restorer = Restorer('fcg_gan_x4', device='cpu')
    faces = list(np.random.default_rng(0).integers(0, 256, (BATCH, 32, 32, 3), dtype=np.uint8))
    works = {
        'restoring': lambda: restorer.restore(faces),
        'training step': training_step(args.config, 32, BATCH, 1, 'cpu'),
    }
    found: dict[str, Any] = {}
    with busy(count):
        torch.set_num_threads(default)
        chosen = limit_threads()
        print(f'busy cores: {count}; threads by default: {default}, chosen: {chosen}', flush=True)
        for name, work in works.items():
            jobs = {str(number): with_threads(number, work) for number in (default, chosen)}
            if len(jobs) == 1:
                print('the choice is the default: nothing to compare')
                break
            seconds = alternate(jobs, args.rounds, torch.device('cpu'))
            ratio = median(a / b for a, b in zip(seconds[str(default)], seconds[str(chosen)], strict=True))
            first, second = median(seconds[str(default)]), median(seconds[str(chosen)])
            load = os.getloadavg()[0]
            found[name] = {'default': first, 'chosen': second, 'ratio': ratio, 'load': load}
            times = f'default {first:8.3f} s, chosen {second:8.3f} s, {ratio:.2f} times'
            print(f'{name:14} {times}; load {load:.1f}', flush=True)
    print(json.dumps({'batch': BATCH, 'busy': count, 'default': default, 'chosen': chosen, 'jobs': found}))


if __name__ == '__main__':
    main()
