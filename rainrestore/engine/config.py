"""Config files with the command line's changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from rainrestore.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]
DATALOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def load_config(
    path: str | Path, options: Mapping[str, Any] | None = None, data_root: str | Path | None = None
) -> Config:
    """Read a Python config, merge ``--cfg-options`` and pass ``data_root`` on to the data sets.

    Args:
        path: the config file.
        options: dotted keys and their values; ``data_root`` among them is the folder of faces.
        data_root: as that option, which it overrules.

    Raises:
        ConfigError: no such file, or an option that names no place in the config.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f'{path}: no such config; the configs of this package are in the folder configs/')
    config = Config.fromfile(path)
    try:
        config.merge_from_dict(dict(options or {}))
    except (KeyError, IndexError, TypeError) as error:
        raise ConfigError(f'--cfg-options: {error} does not fit {path}') from error
    root = data_root or config.get('data_root')
    if root:
        for name in DATALOADERS:
            if config.get(name):
                config[name].dataset.data_root = str(root)
    return config


def bundled_config(name: str) -> Path:
    """The file of a config that the zoo's index names, such as ``configs/fcg_gan_x4.py``, from whatever folder.

    An installed package has its own copy of ``configs/`` (setup.py puts it there); a checkout has it beside the
    package.

    Raises:
        ConfigError: neither has it.
    """
    # The package's own first: beside an installed package, in site-packages, configs/ may be anybody's.
    for root in (PACKAGE, PACKAGE.parent):
        if (root / name).is_file():
            return root / name
    raise ConfigError(f'{name}: this config of the zoo is missing; install rainrestore again')
