"""Measure and compare the time and memory of jobs: in turns, on one device, as medians."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

MIB = 2**20

Job = Callable[[], Any]


def alternate(jobs: Mapping[str, Job], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Run the jobs in turns, so that the load of the machine affects all of them; return the seconds of each round.

    In each round a job runs twice, and the second run is measured, because the other jobs affect caches and memory of
    the first run. An additional first round, in which kernels are selected, is not measured.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            job()
            _finish(device)
            start = time.perf_counter()
            job()
            _finish(device)
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


@contextmanager
def apart(make: Callable[..., Mapping[str, Job]], *arguments: Any) -> Iterator[dict[str, Job]]:
    """Run jobs in one separate process while the block is open; yield name -> job.

    ``make(*arguments)`` builds the jobs in that process; it must be importable. Results stay in the process; errors are
    raised here.
    """
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        names = pool.submit(_settle, make, arguments).result()
        yield {name: partial(_call, pool, name) for name in names}


_settled: Mapping[str, Job] = {}


def _settle(make: Callable[..., Mapping[str, Job]], arguments: tuple[Any, ...]) -> list[str]:
    global _settled
    _settled = make(*arguments)
    return list(_settled)


def _call(pool: ProcessPoolExecutor, name: str) -> None:
    pool.submit(_run, name).result()


def _run(name: str) -> None:
    _settled[name]()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


class Cost(NamedTuple):
    """Median seconds of one run, and its peak memory in MiB above the memory before the run."""

    seconds: float
    mib: float


def cost_apart(make: Callable[..., Job], *arguments: Any, rounds: int, device: torch.device) -> Cost:
    """The cost of a job in a separate process, after one unmeasured run.

    ``make(*arguments)`` builds the job and must be importable. The memory of the model, the data and the imports is
    subtracted. On a GPU, memory is the memory that torch allocates; on a CPU, the resident memory.

    Raises:
        OSError: The device is a CPU and the system is not Linux, which alone reports the exact peak.
    """
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        return pool.submit(_cost_of, make, arguments, rounds, device).result()


def _cost_of(make: Callable[..., Job], arguments: tuple[Any, ...], rounds: int, device: torch.device) -> Cost:
    job = make(*arguments)
    _forget_peak(device)
    before = peak_memory(device)
    seconds = alternate({'': job}, rounds, device)['']
    return Cost(median(seconds), (peak_memory(device) - before) / MIB)


def _forget_peak(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path('/proc/self/clear_refs').write_text('5', encoding='ascii')


def peak_memory(device: torch.device) -> int:
    """Peak memory in bytes since the last reset: resident memory of this process or, on a GPU, torch's allocations."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device)
    status = Path('/proc/self/status').read_text(encoding='utf-8')
    return 1024 * int(re.search(r'VmHWM:\s+(\d+) kB', status)[1])  # type: ignore[index]


def _finish(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
