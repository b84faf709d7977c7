"""Device and threads of a network."""

import torch

from rainrestore.errors import ConfigError


def find_device(name: str | torch.device | None = None) -> torch.device:
    """The device of this name (``cpu``, ``cuda``, ``cuda:1``, ...); None is a GPU if there is one.

    Raises:
        ConfigError: No such device here.
    """
    if name is None:
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f'{name!r} is no device; cpu, cuda or cuda:N') from error
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f'{device}: torch sees {torch.cuda.device_count()} CUDA devices')
    return device


def described(device: torch.device) -> str:
    """A device for a person to read, with the number of threads that compute on a CPU."""
    return f'{device}, threads: {torch.get_num_threads()}' if device.type == 'cpu' else str(device)
