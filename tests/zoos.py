"""Small zoos in a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rainrestore.checkpoints import save_safetensors
from rainrestore.files import sha256_of
from rainrestore.zoo.index import Entry, Zoo, write_index


def add_model(folder: Path, name: str, weights: Mapping[str, torch.Tensor], **more: Any) -> Entry:
    """Write the weights of a model; returns its index entry."""
    path = save_safetensors(weights, folder / f'{name}.safetensors', half=True)
    return {
        'Name': name,
        'Config': 'configs/fcg_gan_x4.py',
        'Metadata': {},
        'Weights': path.name,
        'SHA256': sha256_of(path),
        'Bytes': path.stat().st_size,
        'Licence': 'Apache-2.0',
        **more,
    }


def write_zoo(folder: Path, *entries: Entry, **sections: Any) -> Zoo:
    """A zoo with these models."""
    zoo = Zoo.at(folder)
    write_index({'Models': list(entries), **sections}, zoo)
    return zoo
