"""The zoo's index, and what a name in it stands for."""

import difflib
import json
from pathlib import Path
from typing import Any

import torch

from rainrestore.checkpoints import ZOO_SCHEME, load_from_safetensors, sha256_of
from rainrestore.errors import CheckpointError

ZOO_DIR = Path(__file__).resolve().parents[1] / 'assets' / 'zoo'
INDEX_NAME = 'index.json'


def read_index(zoo: Path | None = None) -> dict[str, dict[str, Any]]:
    """The zoo's index: name -> ``file``, ``sha256``, ``config``, ``licence`` and whatever the publisher added."""
    path = (zoo or ZOO_DIR) / INDEX_NAME
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except json.JSONDecodeError as error:
        raise CheckpointError(f'{path} is not valid JSON ({error})') from error


def zoo_entry(name: str, zoo: Path | None = None) -> dict[str, Any]:
    """The index entry of a zoo model, named with or without ``rainrestore://``.

    Raises:
        CheckpointError: There is no such model; the message suggests the nearest name and lists them all.
    """
    name = name.removeprefix(ZOO_SCHEME)
    index = read_index(zoo)
    if name not in index:
        near = difflib.get_close_matches(name, index, n=1, cutoff=0.5)
        guess = f', did you mean {ZOO_SCHEME}{near[0]}?' if near else '.'
        listed = ', '.join(sorted(index)) or 'none'
        raise CheckpointError(f'no zoo model is called {name!r}{guess} Models: {listed}')
    return index[name]


def zoo_file(name: str, zoo: Path | None = None) -> Path:
    """The file of a zoo model, checked against the index's SHA-256 before anyone reads it.

    Raises:
        CheckpointError: An unknown name, a missing file, or a file that differs from the published one.
    """
    entry = zoo_entry(name, zoo)
    path = (zoo or ZOO_DIR) / entry['file']
    if not path.is_file():
        raise CheckpointError(f'{name}: its file {path} is missing; install rainrestore again')
    found = sha256_of(path)
    if found != entry['sha256']:
        raise CheckpointError(
            f'{name}: {path} is not the published file (sha256 {found[:16]}..., expected '
            f'{entry["sha256"][:16]}...); install rainrestore again'
        )
    return path


def load_by_name(name: str, map_location: str | torch.device | None = None) -> dict[str, Any]:
    """The checkpoint of a zoo model."""
    return load_from_safetensors(str(zoo_file(name)), map_location)
