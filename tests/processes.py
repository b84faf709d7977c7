"""Start several processes with the environment of a launcher."""

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
TIMEOUT = 1200


def environment(**changes: str) -> dict[str, str]:
    """The environment of a process that finds the modules of the tests, computes on the CPU, and uses few cores."""
    paths = [str(HERE.parent), str(HERE), os.environ.get('PYTHONPATH', '')]
    settings = dict(PYTHONPATH=os.pathsep.join(paths), CUDA_VISIBLE_DEVICES='', PYTHON=sys.executable)
    return {**os.environ, 'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1', **settings, **changes}


def free_port() -> str:
    """A free port of this machine."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return str(listener.getsockname()[1])


def run_command(command: Sequence[str], folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder``; at the end, all processes that it started are ended."""
    process = subprocess.Popen(
        command, cwd=folder, env=environment(**changes), text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        out, errors = process.communicate(timeout=TIMEOUT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


def run_together(arguments: Sequence[str], folder: Path, count: int = 2, **changes: str) -> list[tuple[int, str]]:
    """Run ``python ARGUMENTS`` in ``count`` processes like torchrun: exit code and output of each process."""
    meeting = {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': free_port(), 'WORLD_SIZE': str(count), **changes}
    processes = [
        subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment(RANK=str(rank), LOCAL_RANK=str(rank), **meeting),
        )
        for rank in range(count)
    ]  # fmt: skip
    try:
        outputs = [process.communicate(timeout=TIMEOUT)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, output) for process, output in zip(processes, outputs, strict=True)]


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """Limit the size of the files that this process writes, in bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
