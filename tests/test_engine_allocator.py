"""What a process asks of its C library, seen in the page faults that the kernel counts."""

import resource
import sys
from collections.abc import Iterator

import pytest
import torch

from rainrestore.engine.allocator import keep_freed_memory

pytestmark = pytest.mark.skipif(not sys.platform.startswith('linux'), reason='page faults are counted on Linux')


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    keep_freed_memory(False)


def faults(mib: int = 64, rounds: int = 8) -> int:
    """Page faults of taking and giving back a block, over and over, after a first time."""
    torch.ones(mib * 2**18)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.ones(mib * 2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_kept_memory_is_not_mapped_again() -> None:
    if not keep_freed_memory():
        pytest.skip('the C library has no mallopt')
    kept = faults()
    assert keep_freed_memory(False)
    given_back = faults()
    assert given_back > 8 * 64 * 2**20 / 65536  # a fault for each page, of 64 KiB at most
    assert kept < given_back / 20


def test_elsewhere_it_says_that_nothing_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('ctypes.CDLL', lambda _: object())
    assert not keep_freed_memory()
