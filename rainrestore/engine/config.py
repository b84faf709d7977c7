"""Config files with the command line's changes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from rainrestore.engine.config_files import find_file, read_config
from rainrestore.errors import ConfigError

DATALOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def load_config(
    path: str | Path,
    options: Mapping[str, Any] | None = None,
    data_root: str | Path | None = None,
    more_data: Sequence[str | Path] = (),
) -> Config:
    """Read a Python config, merge ``--cfg-options`` and pass ``data_root`` on to the data sets.

    Args:
        path: The config file, or the name of a config of this package
            (:func:`~rainrestore.engine.config_files.find_file`).
        options: Dotted keys and their values; ``data_root`` among them is the folder of faces.
        data_root: As that option, which it overrules.
        more_data: Further folders of training faces, with or without masks.

    Raises:
        ConfigError: No such file, an option that names no place in the config, or further faces for a config that does
            not train on faces.
    """
    config = read_config(find_file(path))
    try:
        config.merge_from_dict(dict(options or {}))
    except (KeyError, IndexError, TypeError) as error:
        raise ConfigError(f'--cfg-options: {error} does not fit {path}') from error
    for loader in filter(None, map(config.get, DATALOADERS)):
        # torch refuses both where there are no workers.
        if loader.get('num_workers') == 0:
            loader.pop('persistent_workers', None)
            loader.pop('prefetch_factor', None)
    root = data_root or config.get('data_root')
    if root:
        for name in DATALOADERS:
            if config.get(name):
                config[name].dataset.data_root = str(root)
    if more_data:
        _add_training_faces(config, more_data, path)
    return config


def _add_training_faces(config: Config, folders: Sequence[str | Path], path: str | Path) -> None:
    """Train on the config's faces and those of ``folders``; validation and test keep the config's alone."""
    dataset = config.get('train_dataloader', {}).get('dataset', {})
    if dataset.get('type') != 'FaceDataset':
        raise ConfigError(f'--more-data: {path} does not train on a FaceDataset')
    # a face without a mask gets an unannotated parsing, which the parsing loss leaves out
    pipeline = [{**step, 'fill': True} if step['type'] == 'ParsingTarget' else step for step in dataset.pipeline]
    further = [
        {**dataset, 'data_root': str(folder), 'require_masks': False, 'pipeline': pipeline} for folder in folders
    ]
    config.train_dataloader.dataset = {'type': 'ConcatDataset', 'datasets': [dataset, *further]}
