"""Where a network computes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from rainrestore.errors import ConfigError

#: Where Linux says which share of the processors a container may use: version 2 in one file, version 1 in two.
CGROUP = Path('/sys/fs/cgroup')


def find_device(name: str | torch.device | None = None) -> torch.device:
    """The device of this name (``cpu``, ``cuda``, ``cuda:1``, ...); None is a GPU if there is one.

    Raises:
        ConfigError: no such device here.
    """
    if name is None:
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f'{name!r} is no device; cpu, cuda or cuda:N') from error
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f'{device}: torch sees {torch.cuda.device_count()} CUDA devices')
    return device


def limit_threads() -> None:
    """Let torch compute with no more threads than this process may use processors.

    torch asks the machine, and in a container that may use 2 of 64 processors starts 64 threads, which wait for each
    other. ``OMP_NUM_THREADS`` overrules this, as it does torch.
    """
    quota = _container_quota()
    if quota is not None and 'OMP_NUM_THREADS' not in os.environ:
        torch.set_num_threads(max(1, min(torch.get_num_threads(), quota)))


@contextmanager
def divided_threads(parts: int) -> Iterator[None]:
    """Give each of several Python threads that begin within the block its share of torch's threads."""
    count = torch.get_num_threads()
    torch.set_num_threads(max(count // parts, 1))
    try:
        yield
    finally:
        torch.set_num_threads(count)


def _container_quota() -> int | None:
    """Processors that the container may use, rounded up; None if nothing limits it."""
    try:
        if (CGROUP / 'cpu.max').is_file():
            quota, period = (CGROUP / 'cpu.max').read_text().split()
        else:
            quota, period = ((CGROUP / 'cpu' / f'cpu.cfs_{name}_us').read_text() for name in ('quota', 'period'))
        # 'max' and -1 stand for no limit.
        return -(-int(quota) // int(period)) if quota != 'max' and int(quota) > 0 else None
    except OSError:
        return None
