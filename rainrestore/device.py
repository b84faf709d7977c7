"""Devices of networks."""

import platform
from pathlib import Path

import torch

from rainrestore.errors import ConfigError

CPUINFO = Path('/proc/cpuinfo')


def find_device(name: str | torch.device | None = None) -> torch.device:
    """The device of a name (``cpu``, ``cuda``, ``cuda:1``, ...). None selects a GPU if there is one, else the CPU.

    Raises:
        ConfigError: The machine has no such device.
    """
    if name is None:
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f'{name!r} is not a device; expected cpu, cuda or cuda:N') from error
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f'{device}: torch finds {torch.cuda.device_count()} CUDA devices')
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes convolutions in bfloat16 faster than in float32.

    AMD's AVX-512 BF16 does. GPUs, AMX and Arm's bfloat16 instructions are taken to do so without a measurement. Intel's
    AVX-512 BF16 without AMX takes longer than float32. Without AVX-512, torch leaves oneDNN for its own loops, which
    take several times as long (docs/results/performance.md).
    """
    if device.type != 'cpu':
        return True
    # torch has no public functions for these instructions; its own compiler asks these.
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    if platform.machine() not in ('x86_64', 'AMD64'):
        return True
    return torch.cpu._is_amx_tile_supported() or (torch.cpu._is_avx512_bf16_supported() and _is_amd())


def _is_amd() -> bool:
    """Whether the vendor of the processor is AMD; False where the system does not say (macOS)."""
    return 'AuthenticAMD' in (CPUINFO.read_text() if CPUINFO.exists() else platform.processor())


def described(device: torch.device) -> str:
    """The name of a device; for the CPU, with the number of threads."""
    return f'{device}, threads: {torch.get_num_threads()}' if device.type == 'cpu' else str(device)
