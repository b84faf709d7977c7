"""The free cores and the CPU share of a container limit the threads of torch."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from rainrestore import threads
from rainrestore.datasets.transforms.rain import ScaleAwareHeavyRain


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """An idle machine of eight cores without a limit."""
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, 'CGROUP', tmp_path)
    monkeypatch.setattr(threads, 'STAT', tmp_path / 'stat')
    monkeypatch.setattr(os, 'sched_getaffinity', lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(os, 'getloadavg', lambda: (0.0, 9.0, 9.0), raising=False)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    torch.set_num_threads(5)
    yield tmp_path
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ('files', 'expected'),
    [
        ({'cpu.max': '150000 100000\n'}, 2),
        ({'cpu.max': '50000 100000\n'}, 1),
        ({'cpu.max': '6400000 100000\n'}, 5),
        ({'cpu.max': 'max 100000\n'}, 5),
        ({'cpu/cpu.cfs_quota_us': '300000\n', 'cpu/cpu.cfs_period_us': '100000\n'}, 3),
        ({'cpu/cpu.cfs_quota_us': '-1\n', 'cpu/cpu.cfs_period_us': '100000\n'}, 5),
        ({}, 5),
    ],
)
def test_threads_equal_the_cpu_share_of_the_container(machine, files, expected):
    for name, text in files.items():
        (machine / name).parent.mkdir(exist_ok=True)
        (machine / name).write_text(text)
    assert threads.limit_threads() == expected
    assert torch.get_num_threads() == expected


@pytest.mark.parametrize(
    ('busy', 'expected'),
    [([0] * 8, 5), ([100] * 8, 1), ([100] * 5 + [0] * 3, 3), ([60] * 8, 3), ([100] * 7 + [10], 1)],
)
def test_threads_equal_the_free_cores(machine, monkeypatch, busy, expected):
    """The percentage of use of each core between two readings; this process may not use the ninth core."""

    def write(ticks):
        lines = [f'cpu{core} {used // 2} {used - used // 2} 0 {idle} 0 0 0 0 7 7' for core, (used, idle) in ticks]
        (machine / 'stat').write_text('\n'.join(['cpu  1 2 3 4 5 6 7 8 9 10', *lines, 'intr 5', '']))

    write(enumerate([(1000, 500)] * 9))
    later = [(1000 + used, 600 - used) for used in [*busy, 0]]
    monkeypatch.setattr(threads.time, 'sleep', lambda seconds: write(enumerate(later)))
    assert threads.limit_threads() == expected


@pytest.mark.parametrize(('load', 'expected'), [(0.0, 5), (5.2, 3), (30.0, 1)])
def test_mean_load_is_used_without_cpu_statistics(machine, monkeypatch, load, expected):
    monkeypatch.setattr(os, 'getloadavg', lambda: (load, 0.0, 0.0), raising=False)
    assert threads.limit_threads() == expected


def test_explicit_number_of_threads_is_kept(machine, monkeypatch):
    (machine / 'cpu.max').write_text('100000 100000\n')
    monkeypatch.setenv('OMP_NUM_THREADS', '5')
    assert threads.limit_threads() == 5


def process_threads() -> int:
    """Threads of this process; 0 on systems without /proc, where the test checks only the threads of torch."""
    tasks = Path('/proc/self/task')
    return len(list(tasks.iterdir())) if tasks.is_dir() else 0


class Worker(torch.utils.data.Dataset):
    """The threads of one worker: those of torch and those for drawing rain."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> tuple[int, int]:
        face = np.zeros((128, 128, 3), np.uint8)
        before = process_threads()
        ScaleAwareHeavyRain(seed=0)({'gt': face, 'name': 'face'})
        return torch.get_num_threads(), process_threads() - before


@pytest.mark.parametrize('start', ['fork', 'spawn'])
def test_data_worker_computes_with_one_thread(start):
    loader = torch.utils.data.DataLoader(Worker(), batch_size=None, num_workers=1, multiprocessing_context=start)
    assert list(loader) == [[1, 0]]
