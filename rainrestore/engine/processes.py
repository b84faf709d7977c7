"""Distributed runs: process group, shared values and errors."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import barrier, broadcast_object_list, init_dist, is_distributed
from torch import distributed

from rainrestore.errors import ConfigError, RainRestoreError

#: Launcher -> environment variables of the rank, the number of processes, and the rank on the machine.
LAUNCHERS: Mapping[str, tuple[str, str, str]] = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
}
_PORT = '29500'


@contextmanager
def joined(launcher: str, config: Mapping[str, Any]) -> Iterator[None]:
    """Join the process group of ``launcher`` inside the block; all processes leave the block together.

    With GPUs, the backend is NCCL (or ``env_cfg.dist_cfg.backend``), and each process uses the GPU of its local rank.
    Without GPUs it is gloo. With ``'none'`` there is only one process.

    Args:
        launcher: ``'none'``, ``'pytorch'`` (torchrun), ``'slurm'`` (srun) or ``'mpi'`` (mpirun).
        config: The config; ``env_cfg.dist_cfg`` has the options of the process group (``timeout`` in seconds).

    Raises:
        ConfigError: The launcher did not start this process, there are fewer GPUs than processes, or ``sync_bn`` is set
            on the CPU.
    """
    if launcher == 'none' or is_distributed():
        yield
        return
    _check(launcher, config)
    options = dict((config.get('env_cfg') or {}).get('dist_cfg') or {})
    if get_device() == 'cpu':
        _join_on_cpu(launcher, options.get('timeout'))
    else:
        init_dist(launcher, **options)
    try:
        yield
        # torchrun stops all processes if one of them leaves early.
        barrier()
    finally:
        distributed.destroy_process_group()


def _check(launcher: str, config: Mapping[str, Any]) -> None:
    missing = [name for name in LAUNCHERS[launcher] if name not in os.environ]
    if missing:
        raise ConfigError(
            f'--launcher {launcher}: {missing[0]} is not set, so the launcher did not start this process; use '
            'tools/dist_train.sh or tools/slurm_train.sh, or omit --launcher to train in one process'
        )
    local = int(os.environ[LAUNCHERS[launcher][2]])
    if torch.cuda.is_available() and local >= torch.cuda.device_count():
        raise ConfigError(
            f'process {local} of this machine has no GPU: torch finds {torch.cuda.device_count()}. Start one process '
            'per GPU; to use the CPU, set CUDA_VISIBLE_DEVICES= (empty)'
        )
    if config.get('sync_bn') and get_device() == 'cpu':
        raise ConfigError('sync_bn: torch synchronises batch norm on GPUs only; remove it on the CPU')


def _join_on_cpu(launcher: str, timeout: float | None) -> None:
    """mmengine's ``init_dist`` for the CPU; the original selects a GPU first."""
    for name, source in zip(LAUNCHERS['pytorch'], LAUNCHERS[launcher], strict=True):
        os.environ[name] = os.environ[source]
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        nodes = ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']]
        listed = subprocess.run(nodes, check=True, capture_output=True, text=True).stdout
        os.environ['MASTER_ADDR'] = listed.split()[0]
    if 'MASTER_ADDR' not in os.environ:
        raise ConfigError(f'--launcher {launcher}: set MASTER_ADDR to the address of the machine of the first process')
    os.environ.setdefault('MASTER_PORT', _PORT)
    distributed.init_process_group('gloo', timeout=None if timeout is None else timedelta(seconds=timeout))


def bare(model: Any) -> Any:
    """The model without the wrapper of a distributed run."""
    return getattr(model, 'module', model)


@contextmanager
def failing_together() -> Iterator[None]:
    """Let all processes wait for the first process, and raise its error of this package in all processes.

    For work that only the first process does, such as writing a file. Otherwise the others would wait for ever after an
    error.
    """
    own: RainRestoreError | None = None
    try:
        yield
    except RainRestoreError as error:
        own = error
    first = from_first(own)
    if first is not None:
        raise own or first


def from_first(value: Any) -> Any:
    """The value of the first process, in every process."""
    shared = [value]
    broadcast_object_list(shared)
    return shared[0]
