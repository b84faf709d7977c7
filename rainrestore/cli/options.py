"""Options and value types that several commands share."""

import argparse
import json
import math
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import DictAction

from rainrestore.errors import ConfigError


class OptionsAction(DictAction):
    """mmengine's ``DictAction`` with one-line error messages.

    Raises:
        ConfigError: A word is not ``KEY=VALUE``, or a value cannot be parsed.
    """

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        for word in values or ():
            if not str(word).partition('=')[1] or not str(word).partition('=')[0].strip():
                raise ConfigError(f'{option_string}: expected KEY=VALUE, such as train_cfg.max_iters=20, got {word!r}')
        try:
            super().__call__(parser, namespace, values, option_string)
        except (AssertionError, ValueError) as error:
            raise ConfigError(f'{option_string}: {error}') from error
        except RecursionError as error:  # mmengine's parser, for a bracket or comma inside a value
            raise ConfigError(
                f'{option_string}: values are numbers, words, [lists] and (tuples); set each key of a dict separately, '
                f'such as param_scheduler.type=CosineAnnealingLR; got {" ".join(map(str, values or ()))[:100]!r}'
            ) from error


#: Name -> settings of the options that several commands have.
SHARED: dict[str, dict[str, Any]] = {
    'config': {'help': 'a config file, or the name of a config, such as fcg_gan_x4'},
    '--data': {
        'metavar': 'DIR',
        'help': 'folder {train,val,test}/{img,mask} (default: RAINRESTORE_DATA, else the bundled faces)',
    },
    '--device': {'help': 'cpu, cuda, cuda:1 (default: a GPU if there is one)'},
    '--checkpoint': {
        'help': 'weights in place of the published ones: a .pth or .safetensors file, or rainrestore://NAME'
    },
    '--cfg-options': {
        **{'nargs': '+', 'action': OptionsAction, 'default': {}, 'metavar': 'KEY=VALUE'},
        'help': 'changes to the config',
    },
    '--launcher': {
        **{'choices': ('none', 'pytorch', 'slurm', 'mpi'), 'default': 'none'},
        'help': 'launcher of distributed processes: torchrun, srun or mpirun (default: none)',
    },
}


def add_shared(parser: argparse.ArgumentParser, *names: str, **settings: Any) -> None:
    """Declare options of :data:`SHARED`; ``settings`` replace theirs."""
    for name in names:
        parser.add_argument(name, **{**SHARED[name], **settings})


def print_json(value: Any) -> None:
    """Print a value as one line of JSON; NaN and infinity, which JSON does not have, become null."""

    def finite(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: finite(inner) for key, inner in part.items()}
        if isinstance(part, (list, tuple)):
            return [finite(inner) for inner in part]
        return None if isinstance(part, float) and not math.isfinite(part) else part

    print(json.dumps(finite(value)))


def file_path(text: str) -> Path:
    """The type of an option: a file or folder. An empty text, such as of an unset variable, is refused."""
    if not text.strip():
        raise argparse.ArgumentTypeError('expected a file or folder, got an empty text')
    return Path(text)


def whole_number(text: str, least: int = 1) -> int:
    """The type of an option: an integer of at least 1, or of at least ``least``."""
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f'expected an integer of at least {least}, got {text!r}')
    return value


#: The type of an option: a seed, an integer of at least 0 as numpy needs it.
seed_number = partial(whole_number, least=0)


def fraction(text: str) -> float:
    """The type of an option: a number above 0, at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f'expected a number above 0, at most 1, got {text!r}')
    return value
