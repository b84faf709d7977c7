"""A container's share of the processors bounds torch's threads."""

import pytest
import torch

from rainrestore import device


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(device, 'CGROUP', tmp_path)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    torch.set_num_threads(5)
    yield tmp_path
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ('files', 'threads'),
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
def test_threads_are_the_share_of_the_container(cgroup, files, threads):
    for name, text in files.items():
        (cgroup / name).parent.mkdir(exist_ok=True)
        (cgroup / name).write_text(text)
    device.limit_threads()
    assert torch.get_num_threads() == threads


def test_who_sets_the_threads_keeps_them(cgroup, monkeypatch):
    (cgroup / 'cpu.max').write_text('100000 100000\n')
    monkeypatch.setenv('OMP_NUM_THREADS', '5')
    device.limit_threads()
    assert torch.get_num_threads() == 5
