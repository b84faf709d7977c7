"""Devices of networks."""

import torch

from rainrestore.errors import ConfigError


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
    """Whether the device computes convolutions in bfloat16 at the speed of float32 or faster.

    Every GPU does. A CPU needs AVX-512 (or bfloat16 instructions on Arm): without them torch leaves oneDNN for its own
    loops, which take several times as long as float32 (docs/results/performance.md).
    """
    # torch has no public function for it; its own compiler asks this one.
    return device.type != 'cpu' or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def described(device: torch.device) -> str:
    """The name of a device; for the CPU, with the number of threads."""
    return f'{device}, threads: {torch.get_num_threads()}' if device.type == 'cpu' else str(device)
