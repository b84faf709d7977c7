"""Limit torch's threads to the free CPU cores."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

#: Seconds over which the load of the cores is measured.
PERIOD = 0.25
#: Linux files: the ticks of each core; the CPU quota of a container (control groups, version 2: one file, version 1:
#: two files).
STAT, CGROUP = Path('/proc/stat'), Path('/sys/fs/cgroup')


def limit_threads() -> int:
    """Limit torch's threads to the number of free cores, at least one, and return the number of threads.

    torch uses one thread per core of the machine by default. Its threads wait for each other after each operation. If
    a container has a quota of 2 of 64 cores, or another program uses a core, the slowest thread delays each operation.
    If ``OMP_NUM_THREADS`` is set, nothing changes. Data workers use one thread each, torch's default for them.
    """
    if 'OMP_NUM_THREADS' not in os.environ:
        free = min(free_cores(), _container_quota())
        torch.set_num_threads(max(1, int(min(torch.get_num_threads(), free))))
    return torch.get_num_threads()


@contextmanager
def divided_threads(parts: int) -> Iterator[None]:
    """Divide torch's threads among several Python threads that start in the block.

    Args:
        parts: Number of Python threads.
    """
    count = torch.get_num_threads()
    torch.set_num_threads(max(count // parts, 1))
    try:
        yield
    finally:
        torch.set_num_threads(count)


# A forked child does not have the threads of its parent, and its first operation would wait for them.
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


def free_cores() -> int:
    """The number of idle cores among those that this process may use, measured over ``PERIOD`` seconds, rounded."""
    cores = os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else set(range(os.cpu_count() or 1))
    before = _ticks(cores)
    if before is None:
        # macOS reports the mean load, Windows does not.
        load = os.getloadavg()[0] if hasattr(os, 'getloadavg') else 0.0
        return round(max(len(cores) - load, 0))
    time.sleep(PERIOD)
    idle, total = (after - first for after, first in zip(_ticks(cores) or before, before, strict=True))
    return round(len(cores) * idle / total) if total else len(cores)


def _ticks(cores: set[int]) -> tuple[int, int] | None:
    """Idle ticks and all ticks of these cores since the start of the machine; None if the system has no counter."""
    try:
        lines = [line.split() for line in STAT.read_text(encoding='ascii').splitlines()]
    except OSError:
        return None
    # Columns: user, nice, system, idle, iowait, irq, softirq, steal.
    ticks = [
        [int(value) for value in values[:8]]
        for name, *values in filter(None, lines)
        if name.startswith('cpu') and name[3:].isdigit() and int(name[3:]) in cores
    ]
    return sum(sum(line[3:5]) for line in ticks), sum(map(sum, ticks))


def _container_quota() -> float:
    """The CPU quota of the container in cores, rounded up; infinite without a limit."""
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
