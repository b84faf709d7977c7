"""Options and value types that several commands share."""

import argparse
import json
from collections.abc import Callable
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
            key, equals, _ = str(word).partition('=')
            if not equals or not key.strip():
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
    print(json.dumps(json.loads(json.dumps(value), parse_constant=lambda constant: None)))


def file_path(text: str) -> Path:
    """The type of an option: a file or folder. An empty text, such as of an unset variable, is refused."""
    if not text.strip():
        raise argparse.ArgumentTypeError('expected a file or folder, got an empty text')
    return Path(text)


def _number(convert: Callable[[str], Any], accepts: Callable[[Any], bool], expected: str) -> Callable[[str], Any]:
    """The type of an option: a number that ``accepts`` allows."""

    def parse(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not accepts(value):
            raise argparse.ArgumentTypeError(f'expected {expected}, got {text!r}')
        return value

    return parse


whole_number = _number(int, lambda value: value >= 1, 'an integer of at least 1')
#: As numpy needs it.
seed_number = _number(int, lambda value: value >= 0, 'an integer of at least 0')
fraction = _number(float, lambda value: 0 < value <= 1, 'a number above 0, at most 1')
