"""The files of zoo models, and the weights of a model together with its parts."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from rainrestore.checkpoints import ZOO_SCHEME, load_from_safetensors
from rainrestore.errors import CheckpointError
from rainrestore.files import sha256_of
from rainrestore.zoo.index import Entry, Zoo, zoo_entry

State = Literal['bundled', 'own', 'cached', 'remote']


def file_state(entry: Entry) -> State:
    """Whether the weights of a model are in the package, in a zoo of the user, in the cache, or must be downloaded."""
    from rainrestore.zoo.fetch import cached_file

    zoo = Zoo.of(entry['Name'])
    if (zoo.files / entry['Weights']).is_file():
        return 'bundled' if zoo == Zoo.bundled() else 'own'
    return 'cached' if cached_file(entry['Weights'], entry['SHA256']).is_file() else 'remote'


def zoo_file(name: str, zoo: Zoo | None = None) -> Path:
    """The path of the weights of a zoo model, after a check of the SHA-256.

    The file is in the folder of the zoo or in the user's cache; otherwise it is downloaded to the cache
    (:mod:`rainrestore.zoo.fetch`).

    Args:
        name: Name of the model, with or without ``rainrestore://``.
        zoo: The zoo; None for the zoo of the package and the zoo in ``RAINRESTORE_ZOO``.

    Raises:
        CheckpointError: An unknown name, an unavailable file, or a file with another SHA-256.
    """
    entry = zoo_entry(name, zoo)
    zoo = zoo or Zoo.of(name)
    path = zoo.files / entry['Weights']
    if not path.is_file():
        # Only a download needs these imports.
        from rainrestore.zoo.fetch import fetch

        return fetch(entry['Weights'], entry['SHA256'], entry['Bytes'])
    if (found := sha256_of(path)) != entry['SHA256']:
        advice = 'install rainrestore again' if zoo == Zoo.bundled() else 'publish it again'
        raise CheckpointError(
            f'{entry["Name"]}: {path} is not the published file (sha256 {found[:16]}..., expected '
            f'{entry["SHA256"][:16]}...); {advice}'
        )
    return path


def with_parts(name: str, zoo: Zoo | None = None) -> list[str]:
    """The name of a model, followed by the names of all models that provide parts of it."""
    names = [zoo_entry(name, zoo)['Name']]
    for part in zoo_entry(name, zoo).get('Parts', {}).values():
        names += [other for other in with_parts(part, zoo) if other not in names]
    return names


def load_by_name(name: str, map_location: str | torch.device | None = None, zoo: Zoo | None = None) -> dict[str, Any]:
    """mmengine's loader for ``rainrestore://NAME``: the weights of the model, and of its parts in their slots.

    Raises:
        CheckpointError: See :func:`zoo_file`; also if a part lacks its slot, or the file of the model has it, too.
    """
    entry = zoo_entry(name, zoo)
    checkpoint = load_from_safetensors(str(zoo_file(name, zoo)), map_location)
    weights: dict[str, Tensor] = checkpoint['state_dict']
    for slot, part in entry.get('Parts', {}).items():
        taken = slot_weights(load_by_name(part, map_location, zoo)['state_dict'], slot)
        if not taken:
            raise CheckpointError(f'{entry["Name"]}: {ZOO_SCHEME}{part} has no weights for the slot {slot}')
        if slot_weights(weights, slot):
            raise CheckpointError(f'{entry["Name"]}: both its file and {ZOO_SCHEME}{part} have weights for {slot}')
        weights.update(taken)
    return checkpoint


def slot_weights(weights: dict[str, Tensor], slot: str) -> dict[str, Tensor]:
    """The weights of one slot, under their full names."""
    return {name: value for name, value in weights.items() if name.partition('.')[0] == slot}
