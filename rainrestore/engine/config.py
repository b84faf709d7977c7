"""Config files with the command line's changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from rainrestore.engine.config_files import find_file, read_config
from rainrestore.errors import ConfigError

DATALOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def load_config(
    path: str | Path, options: Mapping[str, Any] | None = None, data_root: str | Path | None = None
) -> Config:
    """Read a Python config, merge ``--cfg-options`` and pass ``data_root`` on to the data sets.

    Args:
        path: The config file, or the name of a config of this package
            (:func:`~rainrestore.engine.config_files.find_file`).
        options: Dotted keys and their values; ``data_root`` among them is the folder of faces.
        data_root: As that option, which it overrules.

    Raises:
        ConfigError: No such file, or an option that names no place in the config.
    """
    config = read_config(find_file(path))
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
