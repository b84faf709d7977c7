"""Turn a checkpoint into a zoo model: weights for inference, in half precision, and an entry in the index."""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rainrestore.checkpoints import (
    ZOO_SCHEME,
    fit_weights,
    is_training_only,
    load_checkpoint,
    load_safetensors,
    save_safetensors,
)
from rainrestore.config_files import bundled_config, modules_beside, package_folder, write_merged
from rainrestore.engine.config import build_model, load_config
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.files import make_folder, sha256_of
from rainrestore.zoo.files import load_by_name, slot_weights
from rainrestore.zoo.index import Entry, Zoo, changed_index, models, zoo_entry
from rainrestore.zoo.schema import NAME_PATTERN, check_index, check_metadata
from rainrestore.zoo.training_log import keep_log

MAX_BYTES = 30_000_000
#: Prefix of the folder of unfinished files.
_PREFIX = '.publish-'
#: Keys of the metadata that publish itself fills in.
DERIVED = {'name', 'config', 'licence', 'Parameters'}
#: Statistics of batch norm: tensors of the file, but no parameters of the network.
STATISTICS = ('.running_mean', '.running_var')


def publish(
    source: Path | str,
    name: str,
    config: str,
    licence: str | None = None,
    slots: Sequence[str] | None = None,
    parts: Mapping[str, str] | None = None,
    half: bool = True,
    allow_large: bool = False,
    metadata: Mapping[str, Any] | None = None,
    logs: Sequence[Path] = (),
    zoo: Zoo | None = None,
) -> Entry:
    """Write ``NAME.safetensors`` into the zoo and an entry into the index; an older model of this name is replaced.

    Optimisers, schedules, discriminators and losses are not published. Other keys of an older entry are kept. If the
    weights differ, its metrics and its log are removed: measure again with ``rainrestore zoo evaluate NAME``.

    Args:
        source: A checkpoint of a training, or another zoo model.
        name: Name in the zoo: lower-case letters, digits and ``_``.
        config: Config of the network, such as ``configs/fcg_gan_x4.py``. The user's zoo stores a merged copy of a
            config that is not part of the package, with the modules of ``custom_imports`` that are beside it.
        licence: SPDX name of the licence of the weights; default: the licence of the older entry, else of the parts,
            else Apache-2.0.
        slots: Keep only these slots (``rain_removal``, ``face_parser``, ``generator``); None keeps all.
        parts: Slot -> model of the same zoo that provides its weights. None keeps the parts of the older entry.
        half: Store float16.
        allow_large: Accept a file over 30 MB.
        metadata: Facts for users (``Training Data``, ``Hardware``), for the file and the index.
        logs: The work dirs of the stages of the training, in order. Their curves are written to ``NAME.log.json``;
            seed, faces and hours are added to the metadata unless ``metadata`` has them.
        zoo: The zoo; None for the zoo of the package. Set ``RAINRESTORE_ZOO`` to the folder of the user's zoo to load
            its models by name.

    Returns:
        The index entry.

    Raises:
        CheckpointError: The checkpoint cannot be read or lacks a slot; the weights do not fit the network of the
            config; a part differs from the slot in the checkpoint; the file is too large.
        ConfigError: An invalid name, no such config, metadata that the function itself writes, or an unreadable log.
        ZooIndexError: Invalid metadata.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigError(f'a zoo name must consist of at most 100 lower-case letters, digits and _, got {name!r}')
    if derived := DERIVED & set(metadata or {}):
        raise ConfigError(f'{name}: the metadata {min(derived)!r} follows from the other arguments; leave it out')
    check_metadata(metadata or {}, f'{name}, Metadata')
    own = zoo is None
    zoo = zoo or Zoo.bundled()
    if not own and name in models(Zoo.bundled()):
        raise ConfigError(f'{name} is a model of the package; choose another name for yours')
    with changed_index(zoo) as document:
        older: Entry = next((known for known in document['Models'] if known['Name'] == name), {})
        parts = dict(older.get('Parts', {}) if parts is None else parts)
        weights = _chosen(source, slots, parts, zoo)
        path = _config_file(config, own)
        settings = load_config(path)
        network = build_model(settings, config)
        # The user's zoo stores a copy of the user's config, with its _base_ files merged.
        copied = not own and path == Path(config)
        # A folder of its own, because modules of two models may have the same name.
        own_file = f'{name}/{name}.py' if modules_beside(settings, path) else f'{name}.py'
        config = own_file if copied else f'configs/{path.relative_to(package_folder("configs")).as_posix()}'
        licence = licence or older.get('Licence') or _licence_of(parts, zoo)
        make_folder(zoo.files)
        for left in zoo.files.glob(f'{_PREFIX}*'):
            shutil.rmtree(left, ignore_errors=True)  # of a publication that was killed
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=zoo.files) as folder:
            facts = keep_log(logs, Path(folder) / f'{name}.log.json') if logs else {}
            facts |= dict(metadata or {})
            if copied:
                write_merged(settings, path, Path(folder) / config)
            stored = {'name': name, 'config': config, 'licence': licence, **facts}
            file = save_safetensors(weights, Path(folder) / f'{name}.safetensors', stored, half)
            size = file.stat().st_size
            if size > MAX_BYTES and not allow_large:
                raise CheckpointError(
                    f'{name} would be {size / 1e6:.1f} MB, over {MAX_BYTES / 1e6:.0f} MB; choose narrower networks, or '
                    'use --allow-large'
                )
            whole = _check_fit(network, file, parts, zoo, source)
            same_weights = _keep_same(file, older, zoo)
            same_config = config == older.get('Config') and (not copied or _same_text(Path(folder), zoo.files))
            entry = {
                **{key: value for key, value in older.items() if key != 'Parts'},
                'Name': name,
                'Config': config,
                'Metadata': {**older.get('Metadata', {}), **facts, 'Parameters': _parameters(whole)},
                'Weights': file.name,
                'SHA256': sha256_of(file),
                'Bytes': file.stat().st_size,
                'Licence': licence,
                **({'Parts': parts} if parts else {}),
                **({'Log': f'{name}.log.json'} if logs else {}),
            }
            # The log of other weights is removed, too.
            old_log = None if same_weights or logs else entry.pop('Log', None)
            if older:
                document['Models'][document['Models'].index(older)] = entry
            else:
                document['Models'].append(entry)
            if not (same_weights and same_config and parts == older.get('Parts', {})):
                _forget_measurements(document, name)
            # Before files are replaced, because the entry may be invalid.
            check_index(document, zoo.index)
            for made in Path(folder).iterdir():
                if made.is_dir():
                    shutil.rmtree(zoo.files / made.name, ignore_errors=True)
                os.replace(made, zoo.files / made.name)
    if old_log:
        (zoo.files / old_log).unlink(missing_ok=True)
    return entry


def _chosen(source: Path | str, slots: Sequence[str] | None, parts: Mapping[str, str], zoo: Zoo) -> dict[str, Tensor]:
    """The weights for the file: the kept slots without the slots of the parts."""
    weights = {key: value for key, value in load_checkpoint(source)['state_dict'].items() if not is_training_only(key)}
    found = sorted({key.partition('.')[0] for key in weights})
    if absent := sorted(set(slots or ()) - set(found)):
        raise CheckpointError(f'{source} has no slot {", ".join(absent)}; it has {", ".join(found) or "none"}')
    for slot, part in parts.items():
        _check_same(slot_weights(weights, slot), part, slot, source, zoo)
    kept = [slot for slot in (found if slots is None else slots) if slot not in parts]
    weights = {key: value for key, value in weights.items() if key.partition('.')[0] in kept}
    if not weights:
        raise CheckpointError(f'{source} contains no weights for inference')
    return weights


def _licence_of(parts: Mapping[str, str], zoo: Zoo) -> str:
    """The licence of a model with parts: the licences of its parts."""
    licences = sorted({zoo_entry(part, zoo)['Licence'] for part in parts.values()} - {'Apache-2.0'})
    return ' AND '.join(licences) or 'Apache-2.0'


def _check_same(weights: dict[str, Tensor], part: str, slot: str, source: Path | str, zoo: Zoo) -> None:
    """Check that the training did not change the slots of the parts."""
    shared = slot_weights(load_by_name(part, zoo=zoo)['state_dict'], slot)
    if not shared:
        raise CheckpointError(f'{ZOO_SCHEME}{part} cannot fill {slot}: it has no {slot}')
    for key in sorted({*weights, *shared} if weights else ()):
        if key not in weights or key not in shared or not torch.equal(weights[key].half(), shared[key].half()):
            raise CheckpointError(
                f'{ZOO_SCHEME}{part} cannot fill {slot}: {key} differs in {source}, so the training has changed it; '
                'publish the model without this part'
            )


def _config_file(config: str, own: bool) -> Path:
    """The file of a config; the zoo of the package accepts only configs of the package."""
    path = Path(config)
    if own and path.is_absolute():
        raise ConfigError(
            f'{config}: use the path relative to the folder that contains configs/, such as configs/fcg_gan_x4.py'
        )
    if own or not path.is_file():
        try:
            path = bundled_config(config)
        except ConfigError as error:
            where = "of this package, such as 'configs/fcg_gan_x4.py'" if own else 'at this path or of this package'
            raise ConfigError(f'{config}: no such config {where}') from error
    return path


def _check_fit(network: nn.Module, path: Path, parts: Mapping[str, str], zoo: Zoo, source: object) -> dict[str, Tensor]:
    """The weights of the file and its parts, if they fit the network.

    The ``init_cfg`` of the config may provide a slot that the weights lack. A slot that the network lacks is an error.
    """
    weights, _ = load_safetensors(path)
    for slot, part in parts.items():
        weights |= slot_weights(load_by_name(part, zoo=zoo)['state_dict'], slot)
    places = {name.partition('.')[0] for name in network.state_dict() if not is_training_only(name)}
    if homeless := sorted({name.partition('.')[0] for name in weights} - places):
        raise CheckpointError(
            f'{source} does not fit the config: the network has no {", ".join(homeless)}; it has '
            f'{", ".join(sorted(places)) or "no weights"}'
        )
    fit_weights(network, weights, source)
    return weights


def _same_text(first: Path, second: Path) -> bool:
    """Whether all Python files of the first folder are in the second."""
    pairs = [(file, second / file.relative_to(first)) for file in first.rglob('*.py')]
    return all(other.is_file() and file.read_bytes() == other.read_bytes() for file, other in pairs)


def _parameters(weights: Mapping[str, Tensor]) -> int:
    return sum(
        value.numel() for name, value in weights.items() if value.is_floating_point() and not name.endswith(STATISTICS)
    )


def _keep_same(path: Path, older: Entry, zoo: Zoo) -> bool:
    """Whether the older model has the same weights; with equal metadata, too, its file is copied to ``path``.

    Files of equal content may differ in bytes, because safetensors writes the metadata in any order.
    """
    before = zoo.files / older['Weights'] if older else path
    if not older or not before.is_file():
        return False
    (weights, facts), (old_weights, old_facts) = load_safetensors(path), load_safetensors(before)
    same = weights.keys() == old_weights.keys() and all(torch.equal(weights[key], old_weights[key]) for key in weights)
    if same and facts == old_facts:
        shutil.copyfile(before, path)
    return same


def _forget_measurements(document: dict[str, Any], name: str) -> None:
    """Remove the results of the old weights, of models that contain them, and of comparisons with them."""
    models = {entry['Name']: entry for entry in document['Models']}
    changed = {name}
    # Repeated, because parts may have parts.
    while more := {other for other in models if changed & set(models[other].get('Parts', {}).values())} - changed:
        changed |= more
    checkpoints = {ZOO_SCHEME + other for other in changed}
    references = [entry for entry in document.get('References', []) if entry['Checkpoint'] in checkpoints]
    for entry in (*(models[other] for other in changed), *references):
        entry.pop('Results', None)
        entry.pop('Audit', None)
        changed.add(entry['Name'])
    if rows := document.get('Comparisons'):
        document['Comparisons'] = [row for row in rows if not changed & {row['Model'], row['Reference']}]
