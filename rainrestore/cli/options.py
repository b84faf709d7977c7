"""Options, and types of values, of several commands."""

import argparse
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

from rainrestore.errors import ConfigError


class OptionsAction(DictAction):
    """mmengine's ``DictAction``, with one line of error for a word that is not ``KEY=VALUE``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        for word in values or ():
            if not str(word).partition('=')[1] or not str(word).partition('=')[0].strip():
                raise ConfigError(f'{option_string}: expected KEY=VALUE, such as train_cfg.max_iters=20, not {word!r}')
        try:
            super().__call__(parser, namespace, values, option_string)
        except (AssertionError, ValueError) as error:
            raise ConfigError(f'{option_string}: {error}') from error
        except RecursionError as error:  # of mmengine's parser, for a bracket or comma inside a value
            raise ConfigError(
                f'{option_string}: values are numbers, words, [lists] and (tuples); give a key of a dict by itself, '
                f'such as param_scheduler.type=CosineAnnealingLR, not {" ".join(map(str, values or ()))[:100]!r}'
            ) from error


def add_config(parser: argparse.ArgumentParser) -> None:
    """Declare ``config``."""
    parser.add_argument('config', help='a config file, or the name of a config, such as fcg_gan_x4')


def add_data(parser: argparse.ArgumentParser) -> None:
    """Declare ``--data``."""
    parser.add_argument(
        '--data',
        metavar='DIR',
        help='folder {train,val,test}/{img,mask} (default: RAINRESTORE_DATA, else the bundled faces)',
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Declare ``--device``."""
    parser.add_argument('--device', help='cpu, cuda, cuda:1 (default: a GPU if there is one)')


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Declare ``--checkpoint``."""
    parser.add_argument('--checkpoint', help="other weights than the zoo model's: a .pth or .safetensors file")


def add_cfg_options(parser: argparse.ArgumentParser, help: str = 'changes to the config') -> None:
    """Declare ``--cfg-options``."""
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, default={}, metavar='KEY=VALUE', help=help)


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Declare ``--launcher``."""
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='the launcher of several processes: torchrun, srun or mpirun (default: none)',
    )


def whole_number(text: str) -> int:
    """A whole number of at least 1, as the type of an option."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f'expected a whole number of at least 1, got {text!r}')
    return value


def fraction(text: str) -> float:
    """A number from 0 to 1, as the type of an option."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'expected a number from 0 to 1, got {text!r}')
    return value
