"""Keeping freed memory reduces the page faults that the kernel counts."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from rainrestore.cli.main import main
from rainrestore.engine import allocator, testing
from rainrestore.engine.allocator import keep_freed_memory

ROOT = Path(__file__).parents[1]

#: Page faults while 64 MiB are allocated and freed eight times: with the defaults of the C library, and with freed
#: memory kept.
MEASURE = """
import resource
from rainrestore.engine.allocator import keep_freed_memory

def faults():
    bytearray(2**26)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        bytearray(2**26)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults(), keep_freed_memory(), faults())
"""


def test_kept_memory_is_not_mapped_again() -> None:
    """In a separate process with a new heap. Other C libraries than glibc are not changed."""
    given_back, done, kept = subprocess.check_output([sys.executable, '-c', MEASURE], text=True).split()
    glibc = platform.libc_ver()[0] == 'glibc'
    assert done == str(glibc)
    if glibc:
        assert int(given_back) > 8 * 2**26 / 65536  # a fault for each page, of 64 KiB at most
        assert int(kept) < int(given_back) / 20


@pytest.mark.parametrize(
    'command', [['train', 'hrrm_x4'], ['test', 'bicubic_x4', 'none'], ['restore', 'video.mp4', '-o', 'restored']]
)
def test_long_commands_keep_freed_memory(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class AskedError(Exception):
        pass

    def asked() -> None:
        raise AskedError

    monkeypatch.setattr(allocator, 'keep_freed_memory', asked)
    monkeypatch.setattr(testing, 'keep_freed_memory', asked)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'video.mp4').touch()
    with pytest.raises(AskedError):
        main(command)


def test_other_c_libraries_are_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('ctypes.CDLL', lambda _: object())
    assert not keep_freed_memory()
