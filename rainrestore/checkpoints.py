"""Checkpoint files: safetensors in and out, and the zoo's names ``rainrestore://NAME``.

mmengine reads neither. Importing this module registers a loader for each with mmengine's ``CheckpointLoader``, so that
``load_from``, ``init_cfg=dict(type='Pretrained', checkpoint=...)`` and a command line take a ``.pth`` file, a
``.safetensors`` file or a zoo name alike.

It also replaces mmengine's own reading of ``.pth`` files: no file runs code, whichever way it comes in
(:func:`read_torch_file`).
"""

import json
import os
import pickle
import pkgutil
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rainrestore import compat
from rainrestore.errors import CheckpointError
from rainrestore.files import whole_file

ZOO_SCHEME = 'rainrestore://'
#: Imported when the first name is loaded, as registry.py imports the rooms that hold a registry's parts.
ZOO_LOADER = 'rainrestore.zoo.files:load_by_name'
METADATA_KEY = 'rainrestore'
# What zipfile and torch's unpickler, which is written in Python, raise on damaged archives.
_UNPICKLING_ERRORS = (
    *(pickle.UnpicklingError, zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError, TypeError, LookupError),
    *(AttributeError, AssertionError, OverflowError, MemoryError, struct.error),
)
HALF_DTYPES = (torch.float16, torch.bfloat16)


def save_safetensors(
    state_dict: Mapping[str, torch.Tensor],
    path: Path | str,
    metadata: Mapping[str, Any] | None = None,
    half: bool = False,
) -> Path:
    """Write weights as a safetensors file that appears complete or not at all.

    Args:
        state_dict: Names to tensors.
        path: The file to write; its folder is made.
        metadata: Anything JSON can hold; it travels in the file's header.
        half: Store float32 and float64 weights as float16, which halves the file. :func:`load_safetensors` gives
            float32 back.

    Raises:
        CheckpointError: A weight is not finite in half precision although it was finite before.
    """
    path = Path(path)
    tensors = {}
    for name, tensor in state_dict.items():
        # Cloned: safetensors refuses tensors that share memory, as tied weights do.
        tensor = tensor.detach().cpu().contiguous().clone()
        if half and tensor.is_floating_point():
            stored = tensor.half()
            if not torch.equal(torch.isfinite(stored), torch.isfinite(tensor)):
                raise CheckpointError(
                    f'{path}: weight {name!r} is out of the range of half precision; publish it in full precision'
                )
            tensor = stored
        tensors[name] = tensor
    header = {'format': 'pt', METADATA_KEY: json.dumps(dict(metadata or {}), sort_keys=True)}
    with whole_file(path) as temporary:
        save_file(tensors, temporary, metadata=header)
    return path


def load_safetensors(
    path: Path | str,
    map_location: str | torch.device | None = None,
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read weights and metadata of a safetensors file; half precision weights come back as float32.

    Raises:
        CheckpointError: The file is missing, cut short or no safetensors file.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(f'no checkpoint at {path}')
    device = str(map_location) if isinstance(map_location, (str, torch.device)) else 'cpu'
    try:
        with safe_open(path, framework='pt', device=device) as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f'{path} is damaged or not a safetensors file ({error}); fetch it again') from error
    weights = {name: tensor.float() if tensor.dtype in HALF_DTYPES else tensor for name, tensor in weights.items()}
    if METADATA_KEY not in header:
        return weights, dict(header)
    try:
        metadata = json.loads(header[METADATA_KEY])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f'{path}: its metadata are damaged ({error}); fetch it again') from error
    if not isinstance(metadata, dict):
        raise CheckpointError(f'{path}: its metadata are no names with values; fetch it again')
    return weights, metadata


def read_torch_file(file: Any, map_location: Any = None) -> Any:
    """Read what ``torch.save`` wrote without running anything that stands in it.

    Only tensors, plain Python values and the types of :func:`rainrestore.compat.checkpoint_types` are admitted; and
    ``meta.config``, which mmengine's ``Runner.resume`` would run as Python, is left out.

    Args:
        file: path, or an open file.
        map_location: as ``torch.load``.

    Raises:
        CheckpointError: A missing or damaged file, or one that holds other objects.
    """
    if isinstance(file, (str, os.PathLike)):
        file = os.path.expanduser(file)
        if not os.path.isfile(file):
            raise CheckpointError(f'no checkpoint at {file}; give a file or {ZOO_SCHEME}NAME')
    try:
        # torch writes zip archives, whose directory is at the end: a file cut short is no zip file any more. Asked
        # first, because unpickling arbitrary bytes fails in arbitrary ways.
        if isinstance(file, str) and not zipfile.is_zipfile(file):
            raise CheckpointError(f'{file} is cut short or was not written by torch.save')
        with torch.serialization.safe_globals(compat.checkpoint_types()):
            checkpoint = torch.load(file, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        # torch goes on to say how to admit the object, which is no advice for a file of somebody else's
        reason = (str(error).partition('WeightsUnpickler error:')[2] or str(error)).partition(' Please use')[0]
        raise CheckpointError(
            f'{file} holds more than weights and is refused, as it could run code, or is damaged '
            f'({" ".join(reason.split())[:200]})'
        ) from error
    except _UNPICKLING_ERRORS as error:
        raise CheckpointError(f'{file} is damaged or not a checkpoint ({error})') from error
    return _without_config_text(checkpoint)


def _without_config_text(checkpoint: Any) -> Any:
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict):
        meta.pop('config', None)
    return checkpoint


def load_checkpoint(source: Path | str, map_location: str | torch.device | None = 'cpu') -> dict[str, Any]:
    """Read a zoo name, a ``.safetensors`` or a ``.pth`` file as ``dict(state_dict=..., meta=..., ...)``.

    A bare state dict is wrapped.

    Raises:
        CheckpointError: Unknown name, no such file, a damaged file, or a file without weights.
    """
    source = os.path.expanduser(source)
    checkpoint = CheckpointLoader.load_checkpoint(source, map_location=map_location, logger='silent')
    if not isinstance(checkpoint, dict) or not checkpoint:
        raise CheckpointError(f'{source} holds no weights')
    if 'state_dict' not in checkpoint:
        checkpoint = {'state_dict': checkpoint, 'meta': {}}
    weights = checkpoint['state_dict']
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise CheckpointError(f'{source} holds something else than weights by name')
    return checkpoint


def is_training_only(name: str) -> bool:
    """Whether a weight belongs to a discriminator or a loss, which restoring a face does not need."""
    return name.partition('.')[0].endswith(('discriminator', 'discriminators', 'loss'))


def load_weights(model: nn.Module, source: Path | str) -> dict[str, Any]:
    """Load a checkpoint as :func:`fit_weights` does.

    Returns:
        The checkpoint's ``meta``.

    Raises:
        CheckpointError: As :func:`load_checkpoint`, and if the weights belong to another network.
    """
    checkpoint = load_checkpoint(source)
    fit_weights(model, checkpoint['state_dict'], source)
    return checkpoint.get('meta', {})


def fit_weights(model: nn.Module, state_dict: Mapping[str, Tensor], source: object) -> None:
    """Give a network what it needs to restore; its discriminators and losses may be absent from the weights.

    A slot that the network leaves empty is passed over: the joint network's file serves the rain removal alone. A slot
    that the weights lack altogether comes from the file that its ``init_cfg`` names: the parsing module's file does
    not repeat the rain removal that it was trained behind.

    Args:
        model: The network.
        state_dict: Names to weights.
        source: Where they are from, for messages.

    Raises:
        CheckpointError: The weights belong to another network, which is left as it was.
    """
    weights = {name: value for name, value in state_dict.items() if not is_training_only(name)}
    own = model.state_dict()
    slots = {name.partition('.')[0] for name in own}
    for slot in slots - {name.partition('.')[0] for name in weights}:
        weights |= _initial_weights(slot, getattr(model, slot))
    problems = [
        f'{name} is missing'
        for name in own
        if name not in weights and not is_training_only(name) and not name.endswith('num_batches_tracked')
    ]
    problems += [f'{name} has no place' for name in weights if name not in own and name.partition('.')[0] in slots]
    problems += [
        f'{name} is {tuple(value.shape)} instead of {tuple(own[name].shape)}'
        for name, value in weights.items()
        if name in own and value.shape != own[name].shape
    ]
    if problems:
        raise CheckpointError(
            f'{source} belongs to another network than the config: {problems[0]}'
            + (f', and {len(problems) - 1} more' if len(problems) > 1 else '')
        )
    model.load_state_dict(weights, strict=False)


def _initial_weights(slot: str, module: nn.Module | Tensor) -> dict[str, Tensor]:
    """What the ``Pretrained`` init_cfg of a slot stands for, under the slot's name; nothing if it has none."""
    config = getattr(module, 'init_cfg', None) or {}
    if config.get('type') != 'Pretrained':
        return {}
    prefix = config['prefix'].rstrip('.') + '.' if config.get('prefix') else ''
    state = load_checkpoint(config['checkpoint'])['state_dict']
    return {f'{slot}.{name.removeprefix(prefix)}': value for name, value in state.items() if name.startswith(prefix)}


@CheckpointLoader.register_scheme(prefixes=ZOO_SCHEME, force=True)
def load_from_zoo(filename: str, map_location: str | torch.device | None = None) -> dict[str, Any]:
    """mmengine's loader for ``rainrestore://NAME``; the zoo itself is a room above."""
    return pkgutil.resolve_name(ZOO_LOADER)(filename, map_location)


# mmengine matches a scheme as a regular expression at the start of the name, and tries '' (any local file) last.
@CheckpointLoader.register_scheme(prefixes=r'(?!\w+://).*\.safetensors$', force=True)
def load_from_safetensors(filename: str, map_location: str | torch.device | None = None) -> dict[str, Any]:
    """mmengine's loader for local ``*.safetensors`` files."""
    weights, metadata = load_safetensors(filename, map_location)
    return _without_config_text({'state_dict': weights, 'meta': metadata})


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> Any:
    """mmengine's loader for any other local file."""
    return read_torch_file(filename, map_location)


def _read_for_mmengine(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
    """In place of the fork's ``_safe_torch_load``, which reads a file without any check if ``weights_only`` fails."""
    return read_torch_file(file, map_location)


if hasattr(mmengine_checkpoint, '_safe_torch_load'):
    mmengine_checkpoint._safe_torch_load = _read_for_mmengine
