"""Read checkpoints (``.pth`` and ``.safetensors`` files, addresses, zoo names ``rainrestore://NAME``) and write them.

This module registers loaders with mmengine's ``CheckpointLoader``, which supports only ``.pth`` files by itself. The
loaders apply to ``load_from``, ``init_cfg=dict(type='Pretrained', checkpoint=...)`` and the command line.

``.pth`` files are read by :func:`rainrestore.torch_files.read_torch_file`, which runs no code from the file.
"""

import functools
import json
import os
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from mmengine.logging import print_log
from mmengine.model.weight_init import PretrainedInit, update_init_info
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner import runner as mmengine_runner
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
#: Imported at the first use, because rainrestore.zoo imports this module.
ZOO_LOADER = 'rainrestore.zoo.files:load_by_name'
METADATA_KEY = 'rainrestore'
#: Keys under which libraries store the weights; the first one that a file has is used.
CONTAINERS = ('state_dict', 'params_ema', 'params', 'model_state_dict', 'model')
#: Prefixes that torch's wrappers (DataParallel, compile) add to the names.
WRAPPERS = ('module.', '_orig_mod.')
#: Share of a file's tensors that must fit. Otherwise a wrong file would leave the network at its random weights.
LEAST_SHARE = 0.5
#: Number of names of a file that are compared to find its slot.
_NAMES_TRIED = 8
_DIGEST = re.compile('[0-9a-f]{8,64}')
_NAMED_DIGEST = re.compile(r'-([0-9a-f]{8,64})\.\w+$')
HALF_DTYPES = (torch.float16, torch.bfloat16)


def save_safetensors(
    state_dict: Mapping[str, Tensor], path: Path | str, metadata: Mapping[str, Any] | None = None, half: bool = False
) -> Path:
    """Write weights to a safetensors file, atomically.

    Args:
        state_dict: Names to tensors.
        path: The file to write; its folder is created.
        metadata: JSON values, stored in the header of the file.
        half: Store all floating-point weights as float16. :func:`load_safetensors` converts them to float32.

    Raises:
        CheckpointError: A finite weight is out of the range of float16.
    """
    path = Path(path)
    tensors = {}
    for name, tensor in state_dict.items():
        # safetensors refuses tensors that share memory, such as tied weights.
        whole = tensor.detach().cpu().contiguous().clone()
        tensors[name] = whole.half() if half and whole.is_floating_point() else whole
        if half and not torch.equal(torch.isfinite(tensors[name]), torch.isfinite(whole)):
            raise CheckpointError(
                f'{path}: weight {name!r} is out of the range of half precision; publish it in full precision'
            )
    header = {'format': 'pt', METADATA_KEY: json.dumps(dict(metadata or {}), sort_keys=True)}
    with whole_file(path) as temporary:
        save_file(tensors, temporary, metadata=header)
    return path


def load_safetensors(path: Path | str, map_location: Any = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the weights and the metadata of a safetensors file; half-precision weights are converted to float32.

    Raises:
        CheckpointError: The file is missing, truncated or not a safetensors file, or its metadata is damaged.
    """
    path = Path(path).expanduser()
    if not os.path.isfile(path):
        raise CheckpointError(f'no checkpoint at {path}')
    device = str(map_location) if isinstance(map_location, (str, torch.device)) else 'cpu'
    try:
        with safe_open(path, framework='pt', device=device) as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f'{path} is damaged or not a safetensors file ({error}); download it again') from error
    weights = {name: tensor.float() if tensor.dtype in HALF_DTYPES else tensor for name, tensor in weights.items()}
    if METADATA_KEY not in header:
        return weights, dict(header)
    try:
        metadata = json.loads(header[METADATA_KEY])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f'{path}: its metadata is damaged ({error}); download it again') from error
    if not isinstance(metadata, dict):
        raise CheckpointError(f'{path}: its metadata is not a JSON object; download it again')
    return weights, metadata


def load_checkpoint(source: Path | str, map_location: Any = 'cpu') -> dict[str, Any]:
    """Read a checkpoint as ``dict(state_dict=..., meta=..., ...)``.

    Files of other libraries are converted (:func:`unwrapped`).

    Args:
        source: A zoo name, a ``.safetensors`` or a ``.pth`` file, or an address (:func:`load_from_url`).
        map_location: As in ``torch.load``.

    Raises:
        CheckpointError: Unknown name, no such file, a damaged file, a file without weights, or a failed download.
    """
    source = os.path.expanduser(source)
    return unwrapped(CheckpointLoader.load_checkpoint(source, map_location=map_location, logger='silent'), source)


def unwrapped(checkpoint: Any, source: object) -> dict[str, Any]:
    """Move the weights of a checkpoint of any library to the key ``state_dict``.

    The weights may be the top level of the file, or the value of ``state_dict``, ``params_ema`` or ``params`` (BasicSR,
    the moving average first), ``model_state_dict`` or ``model``. The prefixes ``module.`` and ``_orig_mod.`` of torch's
    wrappers are removed.

    Args:
        checkpoint: The content of a file.
        source: The file or the name, for messages.

    Raises:
        CheckpointError: It contains no weights, or a tensor without dense values.
    """
    if not isinstance(checkpoint, dict) or not checkpoint:
        raise CheckpointError(f'{source} contains no weights (it contains {described(checkpoint)})')
    key = next((key for key in CONTAINERS if checkpoint.get(key) and isinstance(checkpoint[key], dict)), None)
    weights = checkpoint[key] if key is not None else checkpoint
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()):
        raise CheckpointError(f'{source} contains other values than named weights (it contains {described(weights)})')
    if (problem := without_values(weights.items())) is not None:
        raise CheckpointError(f'{source}: {problem}')
    while wrapper := next((prefix for prefix in WRAPPERS if all(name.startswith(prefix) for name in weights)), None):
        weights = {name.removeprefix(wrapper): value for name, value in weights.items()}
    rest = {} if key is None else {name: value for name, value in checkpoint.items() if name not in CONTAINERS}
    return {'meta': {}, **rest, 'state_dict': weights}


def without_values(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """Description of the first tensor without dense values (device ``meta`` or sparse), or None."""
    for name, value in tensors:
        if value.is_meta or value.layout != torch.strided:
            return f'{name} has no dense values (device {value.device}, {value.layout})'
    return None


def same_dtype_kind(one: Tensor, other: Tensor) -> bool:
    """Whether both tensors are floating-point, both are complex, or both are integer or boolean."""
    return (one.is_floating_point(), one.is_complex()) == (other.is_floating_point(), other.is_complex())


def described(content: Any) -> str:
    """The content of a file in words: ``a list``, ``a dict of meta, state_dict``."""
    if isinstance(content, dict):
        names = [str(name) for name in content]
        listed = ', '.join(names[:5]) + ' and others' * (len(names) > 5)
        return f'a dict of {listed}' if names else 'an empty dict'
    kind = type(content).__name__
    return f'{"an" if kind[0] in "aeiou" else "a"} {kind}'


def placed(state: Mapping[str, Tensor], own: Mapping[str, Tensor], source: object) -> dict[str, Tensor]:
    """Add the name of a slot to the weights of a file that was saved from this slot alone.

    If a name of the file exists in the network, the weights are returned unchanged. Otherwise, the slot, or the part of
    a slot, in which most tensors fit by name and shape becomes the prefix of all names. If none fits, the weights are
    returned unchanged.

    Args:
        state: Names to weights, of the file.
        own: Names to weights, of the network.
        source: The file or the name, for messages.

    Raises:
        CheckpointError: Several slots fit equally well.
    """
    if any(name in own for name in state):
        return dict(state)
    tried = list(islice(state, _NAMES_TRIED))
    prefixes = {name.removesuffix(stored) for stored in tried for name in own if name.endswith('.' + stored)}
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
            f'{source} fits {" and ".join(prefix.rstrip(".") for prefix in best)} equally well: set the file as the '
            "init_cfg of one slot (dict(type='Pretrained', checkpoint=FILE))"
        )
    return {best[0] + name: value for name, value in state.items()}


def fitting_weights(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], source: object, least: float = LEAST_SHARE
) -> dict[str, Tensor]:
    """The tensors of a file that fit a network by name, shape and kind of dtype.

    Args:
        state: Names to weights, of the file; a missing slot name is added before (:func:`placed`).
        own: Names to weights, of the network.
        source: The file or the name, for messages.
        least: The share of the file's tensors that must fit, 0..1.

    Raises:
        CheckpointError: Less than the share ``least`` fits, or no tensor unless ``least`` is 0.
    """
    reasons = {name: _misfit(name, value, own) for name, value in state.items()}
    fitting = {name: value for name, value in state.items() if reasons[name] is None}
    if fitting and len(fitting) >= least * len(state):
        return fitting
    if not fitting and not least:
        return {}
    why = next(filter(None, reasons.values()), 'it is empty')
    raise CheckpointError(
        f'{source} belongs to another network: {len(fitting)} of its {len(state)} tensors fit ({why})'
    )


def _misfit(name: str, value: Tensor, own: Mapping[str, Tensor]) -> str | None:
    """The reason for which a weight does not fit a network by name, shape and kind of dtype; None if it fits."""
    if name not in own:
        return f'{name} is not in the network'
    if value.shape != own[name].shape:
        return f'{name} is {tuple(value.shape)} instead of {tuple(own[name].shape)}'
    return None if same_dtype_kind(value, own[name]) else f'{name} is {value.dtype} instead of {own[name].dtype}'


@WEIGHT_INITIALIZERS.register_module(name='Pretrained', force=True)
class Pretrained(PretrainedInit):
    """``init_cfg=dict(type='Pretrained', checkpoint=..., prefix=...)``, with an error if the weights do not fit.

    It replaces mmengine's initialiser, which only logs a warning.

    Args:
        checkpoint: A file or ``rainrestore://NAME``.
        prefix: Load only the weights with this prefix; None loads all.
        map_location: As in ``torch.load``.

    Raises:
        CheckpointError: No name has the prefix, or less than half of the weights under it fit.
    """

    def __call__(self, module: nn.Module) -> None:
        state = load_checkpoint(self.checkpoint, self.map_location)['state_dict']
        slot = type(module).__name__
        taken = with_prefix(state, self.prefix, f'init_cfg of {slot}: {self.checkpoint}')
        own = module.state_dict()
        try:
            fitting = fitting_weights(placed(taken, own, self.checkpoint), own, self.checkpoint)
        except CheckpointError as error:
            raise CheckpointError(f'init_cfg of {slot}: {error}{_other_prefix(state, own)}') from error
        module.load_state_dict(fitting, strict=False)
        print_log(f'{slot}: {len(fitting)} of {len(own)} tensors loaded from {self.checkpoint}', logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())


def with_prefix(state: Mapping[str, Tensor], prefix: str | None, source: object) -> dict[str, Tensor]:
    """The weights whose names start with a prefix, under the names without it.

    Args:
        state: Names to weights.
        prefix: With or without a final dot; None or an empty string returns all weights.
        source: The file or the name, for messages.

    Raises:
        CheckpointError: No name starts with the prefix.
    """
    if not prefix:
        return dict(state)
    prefix = prefix.rstrip('.') + '.'
    taken = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if not taken:
        slots = sorted({name.partition('.')[0] for name in state})
        guess = did_you_mean(prefix.rstrip('.'), slots)
        raise CheckpointError(f'{source} has no weights under {prefix!r}{guess}; it has {", ".join(slots[:12])}')
    return taken


def _other_prefix(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """A hint for the message: the prefix whose weights fit the network; empty if there is none, or more than one."""
    fitting = {
        name.partition('.')[0]
        for name, value in state.items()
        if (key := name.partition('.')[2]) in own and own[key].shape == value.shape
    }
    return f'; prefix={min(fitting)!r} fits' if len(fitting) == 1 else ''


def is_training_only(name: str) -> bool:
    """Whether a weight belongs to a discriminator or a loss, which only training needs."""
    return name.partition('.')[0].endswith(('discriminator', 'discriminators', 'loss'))


def load_weights(model: nn.Module, source: Path | str) -> dict[str, Any]:
    """Read a checkpoint (:func:`load_checkpoint`) and load its weights into a model (:func:`fit_weights`).

    Returns:
        The ``meta`` of the checkpoint.

    Raises:
        CheckpointError: The checkpoint cannot be read, or its weights belong to another network.
    """
    checkpoint = load_checkpoint(source)
    fit_weights(model, checkpoint['state_dict'], source)
    return checkpoint.get('meta', {})


def fit_weights(model: nn.Module, state_dict: Mapping[str, Tensor], source: object) -> None:
    """Load the weights that restoration needs; weights of discriminators and losses in the checkpoint are ignored.

    Weights of slots that the model does not have are ignored, so a checkpoint of the joint network also fits the rain
    removal network. A slot without weights in the checkpoint is loaded from its ``init_cfg``, because a checkpoint of
    the parsing network does not contain its rain removal network.

    Args:
        model: The network.
        state_dict: Names to weights.
        source: The file or the name, for messages.

    Raises:
        CheckpointError: The weights belong to another network; the model does not change.
    """
    own = model.state_dict()
    weights = placed(state_dict, own, source)
    weights = {name: value for name, value in weights.items() if not is_training_only(name)}
    slots = {name.partition('.')[0] for name in own}
    for slot in slots - {name.partition('.')[0] for name in weights}:
        weights |= _initial_weights(slot, getattr(model, slot))
    needed = [name for name in own if not (is_training_only(name) or name.endswith('num_batches_tracked'))]
    problems = [f'{name} is missing' for name in needed if name not in weights]
    known = {name: value for name, value in weights.items() if name.partition('.')[0] in slots}
    problems += filter(None, (_misfit(name, value, own) for name, value in known.items()))
    if problems:
        more = f', and {len(problems) - 1} more' if len(problems) > 1 else ''
        raise CheckpointError(f'{source} belongs to another network than the config: {problems[0]}{more}')
    model.load_state_dict(weights, strict=False)


def _initial_weights(slot: str, module: nn.Module | Tensor) -> dict[str, Tensor]:
    """The weights of a slot's ``Pretrained`` init_cfg, with the slot's name as prefix; empty if it has none."""
    config = getattr(module, 'init_cfg', None) or {}
    if config.get('type') != 'Pretrained':
        return {}
    source = config['checkpoint']
    state = with_prefix(load_checkpoint(source)['state_dict'], config.get('prefix'), f'init_cfg of {slot}: {source}')
    return {f'{slot}.{name}': value for name, value in state.items()}


@CheckpointLoader.register_scheme(prefixes=ZOO_SCHEME, force=True)
def load_from_zoo(filename: str, map_location: Any = None) -> dict[str, Any]:
    """mmengine's loader for ``rainrestore://NAME``."""
    return pkgutil.resolve_name(ZOO_LOADER)(filename, map_location)


@CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), force=True)
def load_from_url(filename: str, map_location: Any = None, **progress: Any) -> Any:
    """mmengine's loader for an address. The address must contain the SHA-256 of the file, which is checked.

    The digest is part of the file name, as in torchvision (``NAME-0123abcd.pth``, at least its first 8 digits), or
    follows the address, as in pip (``ADDRESS#sha256=DIGEST``). The file is kept in torch's cache.

    Raises:
        CheckpointError: The address has no digest, the file has another digest, or the download fails.
    """
    address, _, digest = filename.partition('#sha256=')
    name = Path(urlsplit(address).path).name
    if not digest and (match := _NAMED_DIGEST.search(name)):
        digest = match[1]
    if not _DIGEST.fullmatch(digest):
        raise CheckpointError(
            f'{filename} is not downloaded because its SHA-256 is unknown: append it to the address '
            '(ADDRESS#sha256=DIGEST), or download and check the file yourself, and use its path'
        )
    path = Path(torch.hub.get_dir(), 'checkpoints', f'{digest[:16]}-{name}')
    if not path.is_file() or not sha256_of(path).startswith(digest):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(path), digest, progress=os.isatty(2))
        # RuntimeError: another digest.
        except (OSError, HTTPException, RuntimeError, ValueError) as error:
            raise CheckpointError(f'{address} cannot be downloaded ({error})') from error
    return CheckpointLoader.load_checkpoint(str(path), map_location=map_location, logger='silent')


# mmengine matches a scheme as a regular expression at the start of the name, and tries '' (any local file) last.
@CheckpointLoader.register_scheme(prefixes=r'(?!\w+://).*\.(?i:safetensors)$', force=True)
def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, Any]:
    """mmengine's loader for local ``*.safetensors`` files."""
    weights, metadata = load_safetensors(filename, map_location)
    return without_config_text({'state_dict': weights, 'meta': metadata})


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> Any:
    """mmengine's loader for any other local file; a safetensors file with another suffix is recognised by content."""
    if _is_safetensors(Path(filename)):
        return load_from_safetensors(filename, map_location)
    return read_torch_file(filename, map_location)


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins with the length of a header in the file, and with the header, a JSON object."""
    if not os.path.isfile(path):
        return False
    with open(path, 'rb') as file:
        start = file.read(9)
    return start[8:] == b'{' and int.from_bytes(start[:8], 'little') < path.stat().st_size


def _read_for_mmengine(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
    """Replaces the fork's ``_safe_torch_load``, which reads a file without any check if ``weights_only`` fails."""
    return read_torch_file(file, map_location)


if hasattr(mmengine_checkpoint, '_safe_torch_load'):
    mmengine_checkpoint._safe_torch_load = _read_for_mmengine
# mmengine resolves torchvision:// and open-mmlab:// with this function; their file names contain the digest.
mmengine_checkpoint.load_from_http = load_from_url
# mmengine's Runner prints the source of a checkpoint; write it to the log instead.
mmengine_runner._load_checkpoint = functools.partial(mmengine_checkpoint._load_checkpoint, logger='current')


def _with_reason(loader: Callable[..., Any]) -> Callable[..., Any]:
    """A loader of mmengine that names an unknown model of torchvision or OpenMMLab, or the missing package."""

    @functools.wraps(loader)
    def load(filename: str, *args: Any, **options: Any) -> Any:
        try:
            return loader(filename, *args, **options)
        except (ImportError, KeyError) as error:
            raise CheckpointError(f'{filename}: no such weights, or a package is missing: {error}') from error

    return load


for _scheme, _loader in list(CheckpointLoader._schemes.items()):
    if _loader.__module__ == mmengine_checkpoint.__name__:
        CheckpointLoader.register_scheme(_scheme, _with_reason(_loader), force=True)
