"""How many threads torch computes with on a CPU that others use as well."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

#: Seconds over which the load of the cores is measured.
PERIOD = 0.25
#: Where Linux counts the ticks of each core, and where it says which share of the cores a container may use: version 2
#: of its control groups in one file, version 1 in two.
STAT, CGROUP = Path('/proc/stat'), Path('/sys/fs/cgroup')


def limit_threads() -> int:
    """Let torch compute with no more threads than there are free cores, and with one at least; returns their number.

    torch's default is one thread a core of the machine. Its threads wait for each other after each operation: where a
    container may use 2 of 64 cores, or another program uses a core, an operation takes as long as the thread that has
    to share. ``OMP_NUM_THREADS`` overrules this, as it does torch. Data workers compute with one thread each, as torch
    chooses for them.
    """
    if 'OMP_NUM_THREADS' not in os.environ:
        free = min(free_cores(), _container_quota())
        torch.set_num_threads(max(1, int(min(torch.get_num_threads(), free))))
    return torch.get_num_threads()


@contextmanager
def divided_threads(parts: int) -> Iterator[None]:
    """Give each of several Python threads that begin within the block its share of torch's threads."""
    count = torch.get_num_threads()
    torch.set_num_threads(max(count // parts, 1))
    try:
        yield
    finally:
        torch.set_num_threads(count)


def compute_alone() -> None:
    """Let torch compute with one thread in this process."""
    torch.set_num_threads(1)


# A forked child has none of its parent's threads, and would wait for them in its first operation.
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=compute_alone)


def free_cores() -> int:
    """Cores that this process may use and others leave idle, measured over ``PERIOD`` seconds, rounded."""
    cores = os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else set(range(os.cpu_count() or 1))
    before = _ticks(cores)
    if before is None:
        # macOS reports the mean load, Windows nothing.
        load = os.getloadavg()[0] if hasattr(os, 'getloadavg') else 0.0
        return round(max(len(cores) - load, 0))
    time.sleep(PERIOD)
    idle, total = (after - first for after, first in zip(_ticks(cores) or before, before, strict=True))
    return round(len(cores) * idle / total) if total else len(cores)


def _ticks(cores: set[int]) -> tuple[int, int] | None:
    """Idle and all ticks of these cores since the machine started; None where nothing counts them."""
    try:
        lines = [line.split() for line in STAT.read_text(encoding='ascii').splitlines()]
    except OSError:
        return None
    # user, nice, system, idle, iowait, irq, softirq, steal
    ticks = [
        [int(value) for value in values[:8]]
        for name, *values in filter(None, lines)
        if name.startswith('cpu') and name[3:].isdigit() and int(name[3:]) in cores
    ]
    return sum(sum(line[3:5]) for line in ticks), sum(map(sum, ticks))


def _container_quota() -> float:
    """Cores that the container may use, rounded up; infinite if nothing limits it."""
    try:
        if (CGROUP / 'cpu.max').is_file():
            quota, period = (CGROUP / 'cpu.max').read_text(encoding='ascii').split()
        else:
            quota, period = (
                (CGROUP / 'cpu' / f'cpu.cfs_{name}_us').read_text(encoding='ascii') for name in ('quota', 'period')
            )
        # 'max' and -1 mean no limit.
        return -(-int(quota) // int(period)) if quota != 'max' and int(quota) > 0 else math.inf
    except OSError:
        return math.inf
