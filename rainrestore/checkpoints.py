"""Checkpoint files: safetensors in and out, and the zoo's names ``rainrestore://NAME``.

mmengine reads neither. This module registers a loader for each with mmengine's ``CheckpointLoader``: ``load_from``,
``init_cfg=dict(type='Pretrained', checkpoint=...)`` and the command line accept ``.pth`` files, ``.safetensors`` files
and zoo names.

It also replaces mmengine's reader of ``.pth`` files by one that never runs code
(:func:`rainrestore.torch_files.read_torch_file`).
"""

import json
import os
import pkgutil
import re
from collections.abc import Mapping
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from mmengine.logging import print_log
from mmengine.model.weight_init import PretrainedInit, update_init_info
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rainrestore.errors import CheckpointError
from rainrestore.files import sha256_of, whole_file
from rainrestore.registry import WEIGHT_INITIALIZERS
from rainrestore.suggest import did_you_mean
from rainrestore.torch_files import read_torch_file, without_config_text

ZOO_SCHEME = 'rainrestore://'
#: Imported when the first name is loaded, as registry.py imports the rooms that hold a registry's parts.
ZOO_LOADER = 'rainrestore.zoo.files:load_by_name'
METADATA_KEY = 'rainrestore'
#: Keys under which libraries store the weights; the first one in a file counts.
CONTAINERS = ('state_dict', 'params_ema', 'params', 'model_state_dict', 'model')
#: Prefixes of torch's wrappers (DataParallel, compile).
WRAPPERS = ('module.', '_orig_mod.')
#: Share of a file's tensors that must fit; otherwise a network would train from scratch unnoticed.
LEAST_SHARE = 0.5
#: Number of names of a file by which its slot is found.
_NAMES_TRIED = 8
_DIGEST = re.compile('[0-9a-f]{8,64}')
_NAMED_DIGEST = re.compile(r'-([0-9a-f]{8,64})\.\w+$')
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


def load_checkpoint(source: Path | str, map_location: str | torch.device | None = 'cpu') -> dict[str, Any]:
    """Read a zoo name, a ``.safetensors`` or a ``.pth`` file as ``dict(state_dict=..., meta=..., ...)``.

    The forms of other libraries are unwrapped (:func:`unwrapped`).

    Raises:
        CheckpointError: Unknown name, no such file, a damaged file, or a file without weights.
    """
    source = os.path.expanduser(source)
    checkpoint = CheckpointLoader.load_checkpoint(source, map_location=map_location, logger='silent')
    return unwrapped(checkpoint, source)


def unwrapped(checkpoint: Any, source: object) -> dict[str, Any]:
    """A checkpoint with its weights under ``state_dict``, whichever library wrote it.

    The weights may be the file itself, or stand under ``state_dict``, ``params_ema`` or ``params`` (BasicSR and its
    descendants, the moving average first), ``model_state_dict`` or ``model``. ``module.`` and ``_orig_mod.``, which
    torch's wrappers put before every name, are taken off.

    Args:
        checkpoint: The content of a file.
        source: Where it is from, for messages.

    Raises:
        CheckpointError: It holds no weights.
    """
    if not isinstance(checkpoint, dict) or not checkpoint:
        raise CheckpointError(f'{source} holds no weights (it holds {described(checkpoint)})')
    key = next((key for key in CONTAINERS if isinstance(checkpoint.get(key), dict)), None)
    weights = checkpoint[key] if key is not None else checkpoint
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()):
        raise CheckpointError(f'{source} holds something else than weights by name (it holds {described(weights)})')
    for wrapper in WRAPPERS:
        if weights and all(name.startswith(wrapper) for name in weights):
            weights = {name.removeprefix(wrapper): value for name, value in weights.items()}
    rest = {} if key is None else {name: value for name, value in checkpoint.items() if name not in CONTAINERS}
    return {'meta': {}, **rest, 'state_dict': weights}


def described(held: Any) -> str:
    """The content of a file in words: ``a list``, ``a dict of meta, state_dict``."""
    if isinstance(held, dict):
        names = [str(name) for name in held]
        return (
            f'a dict of {", ".join(names[:5])}{" and others" if len(names) > 5 else ""}' if names else 'an empty dict'
        )
    kind = type(held).__name__
    return f'{"an" if kind[0] in "aeiou" else "a"} {kind}'


def placed(state: Mapping[str, Tensor], own: Mapping[str, Tensor], source: object) -> dict[str, Tensor]:
    """Weights under the names of a network, where a file of one slot lacks the name of the slot.

    A file whose names fit as they are is returned as it is; else the slot, or part of a slot, in which most tensors
    fit by name and shape, gives its name to all of them.

    Args:
        state: Names to weights.
        own: The network's.
        source: Where the weights are from, for messages.

    Raises:
        CheckpointError: Several slots fit alike.
    """
    if any(name in own for name in state):
        return dict(state)
    prefixes = {
        name.removesuffix(stored)
        for stored in islice(state, _NAMES_TRIED)
        for name in own
        if name.endswith('.' + stored)
    }
    fits = {
        prefix: sum(prefix + name in own and own[prefix + name].shape == value.shape for name, value in state.items())
        for prefix in prefixes
    }
    most = max(fits.values(), default=0)
    best = sorted(prefix for prefix, count in fits.items() if count == most)
    if not most:
        return dict(state)
    if len(best) > 1:
        raise CheckpointError(
            f'{source} fits {" and ".join(prefix.rstrip(".") for prefix in best)} alike: name the file in the init_cfg '
            "of the slot that is meant (dict(type='Pretrained', checkpoint=FILE))"
        )
    return {best[0] + name: value for name, value in state.items()}


def load_fitting(
    module: nn.Module, state: Mapping[str, Tensor], source: object, least: float = LEAST_SHARE
) -> tuple[int, int]:
    """Load the tensors of a file that fit a network by name and shape; the others of the network stay as they are.

    Args:
        module: The network.
        state: Names to weights; a slot's name is added where it lacks (:func:`placed`).
        source: Where they are from, for messages.
        least: The share of the file's tensors that has to fit, 0 to 1.

    Returns:
        How many tensors were loaded, of how many of the network.

    Raises:
        CheckpointError: None fits, or less than ``least``; the network is as it was.
    """
    own = module.state_dict()
    fitting = fitting_weights(placed(state, own, source), own, source, least)
    module.load_state_dict(fitting, strict=False)
    return len(fitting), len(own)


def fitting_weights(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], source: object, least: float = LEAST_SHARE
) -> dict[str, Tensor]:
    """The tensors that fit by name and shape; see :func:`load_fitting`."""
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    if fitting and len(fitting) >= least * len(state):
        return fitting
    if not fitting and not least:
        return {}
    misfit = next((name for name in state if name not in fitting), None)
    if misfit is None:
        why = 'it is empty'
    elif misfit in own:
        why = f'{misfit} is {tuple(state[misfit].shape)} instead of {tuple(own[misfit].shape)}'
    else:
        why = f'{misfit} has no place'
    raise CheckpointError(
        f'{source} belongs to another network: {len(fitting)} of its {len(state)} tensors fit ({why}). Nothing was '
        'loaded'
    )


@WEIGHT_INITIALIZERS.register_module(name='Pretrained', force=True)
class Pretrained(PretrainedInit):
    """mmengine's ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix=...)``, which stops where nothing fits.

    Args:
        checkpoint: A file or ``rainrestore://NAME``.
        prefix: Of the names in it; None takes all.
        map_location: As ``torch.load``.

    Raises:
        CheckpointError: No name has the prefix, or less than half of the weights under it fit.
    """

    def __call__(self, module: nn.Module) -> None:
        state = load_checkpoint(self.checkpoint, self.map_location)['state_dict']
        slot = type(module).__name__
        taken = with_prefix(state, self.prefix, f'init_cfg of {slot}: {self.checkpoint}')
        try:
            loaded, of = load_fitting(module, taken, self.checkpoint)
        except CheckpointError as error:
            raise CheckpointError(f'init_cfg of {slot}: {error}{_other_prefix(state, module)}') from error
        print_log(f'{slot}: {loaded} of {of} tensors loaded from {self.checkpoint}', logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())


def with_prefix(state: Mapping[str, Tensor], prefix: str | None, source: object) -> dict[str, Tensor]:
    """The weights whose names begin with a prefix, without it; all if there is none.

    Raises:
        CheckpointError: There are none.
    """
    if not prefix:
        return dict(state)
    prefix = prefix.rstrip('.') + '.'
    taken = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if not taken:
        slots = sorted({name.partition('.')[0] for name in state})
        guess = did_you_mean(prefix.rstrip('.'), slots)
        raise CheckpointError(f'{source} holds nothing under {prefix!r}{guess}; it holds {", ".join(slots[:12])}')
    return taken


def _other_prefix(state: Mapping[str, Tensor], module: nn.Module) -> str:
    """The first part of a file's names that fits a network, as advice; empty if none does."""
    own = module.state_dict()
    fitting = {
        name.partition('.')[0]
        for name, value in state.items()
        if (key := name.partition('.')[2]) in own and own[key].shape == value.shape
    }
    return f'; prefix={min(fitting)!r} fits' if len(fitting) == 1 else ''


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
    """Load the weights that restoring needs; discriminators and losses may be missing.

    Weights of a slot that the network does not have are ignored: the joint network's file also serves the rain removal
    alone. A slot without weights in the file is loaded from its ``init_cfg``: the parsing module's file does not repeat
    its rain removal.

    Args:
        model: The network.
        state_dict: Names to weights.
        source: Where they are from, for messages.

    Raises:
        CheckpointError: The weights belong to another network, which is left as it was.
    """
    own = model.state_dict()
    weights = placed(state_dict, own, source)
    weights = {name: value for name, value in weights.items() if not is_training_only(name)}
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
    """The weights of a slot's ``Pretrained`` init_cfg, under the slot's name; empty if it has none."""
    config = getattr(module, 'init_cfg', None) or {}
    if config.get('type') != 'Pretrained':
        return {}
    source = config['checkpoint']
    state = with_prefix(load_checkpoint(source)['state_dict'], config.get('prefix'), f'init_cfg of {slot}: {source}')
    return {f'{slot}.{name}': value for name, value in state.items()}


@CheckpointLoader.register_scheme(prefixes=ZOO_SCHEME, force=True)
def load_from_zoo(filename: str, map_location: str | torch.device | None = None) -> dict[str, Any]:
    """mmengine's loader for ``rainrestore://NAME``; the zoo itself is a room above."""
    return pkgutil.resolve_name(ZOO_LOADER)(filename, map_location)


@CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), force=True)
def load_from_url(filename: str, map_location: Any = None, **progress: Any) -> Any:
    """mmengine's loader for an address, which fetches nothing without a SHA-256 to compare it with.

    The digest is that of the name, as torchvision has it (``NAME-0123abcd.pth``, its first 8 digits or more), or stands
    behind the address, as pip has it (``ADDRESS#sha256=DIGEST``). The file stays in torch's cache.

    Raises:
        CheckpointError: No digest, another one than that of the file, or no such file there.
    """
    address, _, digest = filename.partition('#sha256=')
    name = Path(urlsplit(address).path).name
    if not digest and (match := _NAMED_DIGEST.search(name)):
        digest = match[1]
    if not _DIGEST.fullmatch(digest):
        raise CheckpointError(
            f'{filename} is not fetched, as nothing says which file it should be: put its SHA-256 behind it '
            '(ADDRESS#sha256=DIGEST), or download and check it, and give the file'
        )
    path = Path(torch.hub.get_dir(), 'checkpoints', f'{digest[:16]}-{name}')
    if not path.is_file() or not sha256_of(path).startswith(digest):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(path), digest, progress=os.isatty(2))
        # RuntimeError: another digest.
        except (OSError, HTTPException, RuntimeError, ValueError) as error:
            raise CheckpointError(f'{address} cannot be had ({error})') from error
    return CheckpointLoader.load_checkpoint(str(path), map_location=map_location, logger='silent')


# mmengine matches a scheme as a regular expression at the start of the name, and tries '' (any local file) last.
@CheckpointLoader.register_scheme(prefixes=r'(?!\w+://).*\.safetensors$', force=True)
def load_from_safetensors(filename: str, map_location: str | torch.device | None = None) -> dict[str, Any]:
    """mmengine's loader for local ``*.safetensors`` files."""
    weights, metadata = load_safetensors(filename, map_location)
    return without_config_text({'state_dict': weights, 'meta': metadata})


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> Any:
    """mmengine's loader for any other local file."""
    return read_torch_file(filename, map_location)


def _read_for_mmengine(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
    """In place of the fork's ``_safe_torch_load``, which reads a file without any check if ``weights_only`` fails."""
    return read_torch_file(file, map_location)


if hasattr(mmengine_checkpoint, '_safe_torch_load'):
    mmengine_checkpoint._safe_torch_load = _read_for_mmengine
# By which mmengine resolves torchvision:// and open-mmlab://, whose names carry the digest.
mmengine_checkpoint.load_from_http = load_from_url
