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


def described(device: torch.device) -> str:
    """The name of a device; for the CPU, with the number of threads."""
    return f'{device}, threads: {torch.get_num_threads()}' if device.type == 'cpu' else str(device)
