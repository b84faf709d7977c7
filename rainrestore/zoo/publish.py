"""From a training's checkpoint to a zoo model: what restoring needs, in half precision, with its hash in the index."""

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rainrestore.checkpoints import is_training_only, load_checkpoint, save_safetensors, sha256_of
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.zoo.index import INDEX_NAME, ZOO_DIR, read_index

MAX_BYTES = 30_000_000
#: What batch normalisation remembers: weights of the file, but no parameters of the network.
STATISTICS = ('.running_mean', '.running_var')


def publish(
    source: Path | str,
    name: str,
    config: str,
    licence: str = 'Apache-2.0',
    slots: Sequence[str] | None = None,
    half: bool = True,
    allow_large: bool = False,
    notes: Mapping[str, Any] | None = None,
    zoo: Path | None = None,
) -> dict[str, Any]:
    """Write ``NAME.safetensors`` into the zoo and enter it in the index; an older model of that name is replaced.

    Optimisers, schedules, discriminators and losses stay behind.

    Args:
        source: A checkpoint of a training (or another zoo model).
        name: Name in the zoo, of lower-case letters, digits and ``_``.
        config: Config that builds the network, such as ``configs/fcg_gan_x4.py``.
        licence: SPDX name of the weights' licence.
        slots: Keep only these slots (``rain_removal``, ``face_parser``, ``generator``); None keeps all that are left.
        half: Store float16.
        allow_large: Accept a file over 30 MB, too much for a repository.
        notes: What the user should know (training data, faces seen); stored in the file and in the index.
        zoo: Folder of the zoo; None for the package's own.

    Returns:
        The index entry.

    Raises:
        CheckpointError: The checkpoint cannot be read, holds no such slot, or the file becomes too large.
        ConfigError: The name is not of that form.
    """
    if not re.fullmatch(r'[a-z0-9_]+', name):
        raise ConfigError(f'a zoo name has lower-case letters, digits and _, not {name!r}')
    zoo = zoo or ZOO_DIR
    weights = {key: value for key, value in load_checkpoint(source)['state_dict'].items() if not is_training_only(key)}
    found = sorted({key.partition('.')[0] for key in weights})
    absent = sorted(set(slots or ()) - set(found))
    if absent:
        raise CheckpointError(f'{source} holds no slot {", ".join(absent)}; it holds {", ".join(found) or "none"}')
    if slots is not None:
        weights = {key: value for key, value in weights.items() if key.partition('.')[0] in slots}
    if not weights:
        raise CheckpointError(f'{source} holds nothing to restore with')
    notes = dict(notes or {})
    zoo.mkdir(parents=True, exist_ok=True)
    index = read_index(zoo)
    with tempfile.TemporaryDirectory(dir=zoo) as folder:
        metadata = {'name': name, 'config': config, 'licence': licence, **notes}
        path = save_safetensors(weights, Path(folder) / f'{name}.safetensors', metadata, half)
        size = path.stat().st_size
        if size > MAX_BYTES and not allow_large:
            raise CheckpointError(
                f'{name} would be {size / 1e6:.1f} MB, over {MAX_BYTES / 1e6:.0f} MB; choose narrower '
                'networks, or allow it'
            )
        entry = {
            'file': path.name,
            'sha256': sha256_of(path),
            'bytes': size,
            'parameters': sum(
                value.numel()
                for key, value in weights.items()
                if value.is_floating_point() and not key.endswith(STATISTICS)
            ),
            'config': config,
            'licence': licence,
            **notes,
        }
        os.replace(path, zoo / path.name)
        listed = Path(folder) / INDEX_NAME
        listed.write_text(json.dumps({**index, name: entry}, indent=2, sort_keys=True) + '\n', encoding='utf-8')
        os.replace(listed, zoo / INDEX_NAME)
    return entry
