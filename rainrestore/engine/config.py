"""Config files with the changes of the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from rainrestore.config_files import find_file, import_modules, read_config
from rainrestore.datasets.face_dataset import resolve_data_root
from rainrestore.engine.config_check import DATALOADERS, check_kinds, check_top_level
from rainrestore.errors import ConfigError
from rainrestore.registry import DATASETS, MODELS, SCOPE, options_of


def load_config(
    path: str | Path,
    options: Mapping[str, Any] | None = None,
    data_root: str | Path | None = None,
    more_data: Sequence[str | Path] = (),
) -> Config:
    """Read a Python config, merge ``--cfg-options`` and set ``data_root`` of all data sets.

    Args:
        path: The config file, or the name of a config of this package
            (:func:`~rainrestore.config_files.find_file`).
        options: Dotted keys and their values. The key ``data_root`` sets the folder of all data sets.
        data_root: Folder of all data sets.
        more_data: Further folders of training faces, with or without masks.

    Entries of the hooks and of the evaluators that are None are removed.

    Raises:
        ConfigError: No such file, an unknown key, a part of the wrong kind, an option that does not fit the config or
            has no effect, or further faces for a config that does not train on faces.
    """
    file = find_file(path)
    config = read_config(file)
    check_top_level(config, options or {}, path)
    try:
        config.merge_from_dict(dict(options or {}))
    except AttributeError as error:
        # mmengine can merge only the keys of a dict into an entry of a list.
        option = next((option for option in options or () if option.rpartition('.')[2].isdecimal()), None)
        if option is None:
            raise ConfigError(f'--cfg-options: {error}: one option sets a key of the value of another') from error
        whole = option.rpartition('.')[0]
        raise ConfigError(
            f"--cfg-options: {option}: an entry of a list cannot be replaced: give the whole list, {whole}='[...]'"
        ) from error
    except (KeyError, IndexError, TypeError) as error:
        raise ConfigError(f'--cfg-options: {error} does not fit {path}') from error
    if any(option.partition('.')[0] == 'custom_imports' for option in options or ()):
        import_modules(config, file, '--cfg-options')
    for name in ('custom_hooks', 'val_evaluator', 'test_evaluator'):
        if isinstance(config.get(name), list):
            config[name] = [entry for entry in config[name] if entry is not None]
    check_kinds(config)
    for loader in filter(None, map(config.get, DATALOADERS)):
        # Without workers, torch accepts neither option.
        if loader.get('num_workers') == 0:
            loader.pop('persistent_workers', None)
            loader.pop('prefetch_factor', None)
    roots = [option for option in options or () if option == 'data_root' or option.endswith('.dataset.data_root')]
    if data_root and roots:
        raise ConfigError(f'--cfg-options: {roots[0]} has no effect with --data: omit one of them')
    root = data_root or config.get('data_root')
    if root:
        loaders = [name for name in DATALOADERS if config.get(name) and _takes_root(config[name].dataset)]
        if not loaders:
            raise ConfigError(f'--data: no data set of {path} has the option data_root: omit --data')
        for name in loaders:
            if f'{name}.dataset.data_root' not in roots:
                config[name].dataset.data_root = str(root)
    if more_data:
        _add_training_faces(config, more_data, path)
    return config


def build_model(config: Mapping[str, Any], source: object) -> nn.Module:
    """The model of a config, with its initial weights.

    Args:
        config: The config.
        source: Its name, for messages.

    Raises:
        ConfigError: The config has no model.
    """
    if not config.get('model'):
        raise ConfigError(f'{source}: the config has no "model"')
    # With an explicit scope, because other packages change the default scope, such as mmagic's inferencers.
    return MODELS.build({'_scope_': SCOPE, **config['model']})


def accept_faces_without_masks(config: Config, testing: bool) -> None:
    """Set ``require_masks=False`` if nothing uses masks.

    Masks are used by the loss of a parser in training, by the mIoU of a parser in testing, and by a restorer whose
    input is the true parsing. Data sets whose config has ``require_masks`` are not changed. With a model of another
    package nothing is changed, because it may need masks.

    Args:
        config: The config; changed in place.
        testing: Whether the config is for a test; otherwise for a training with validation.
    """
    model = config.get('model') or {}
    evaluator = config.get('test_evaluator' if testing else 'val_evaluator')
    parsing = model.get('face_parser') if testing else model.get('parsing_loss')
    used = parsing is not None or model.get('oracle') == 'parsing' or model.get('type') == 'FaceParser'
    if not used and 'ParsingMIoU' not in str(evaluator) and _is_own(model):
        set_require_masks(config, False)


def check_outside_of_data(out: Path, loader: Mapping[str, Any]) -> None:
    """Check that results are not written among the faces of a data set, where they could overwrite a face.

    Args:
        out: Folder or file of the results.
        loader: Config of a dataloader.

    Raises:
        ConfigError: ``out`` is in the folder of the split.
    """
    dataset = loader['dataset']
    for part in dataset.get('datasets') or [dataset]:
        folder = resolve_data_root(part.get('data_root')) / str(part.get('split', ''))
        if out.resolve().is_relative_to(folder.resolve()):
            raise ConfigError(f'{out}: is in the data set {folder}; choose another folder for the results')


def _is_own(model: Mapping[str, Any]) -> bool:
    """Whether the type of a model is a class of this package."""
    found = MODELS.get(str(model.get('type')))
    return found is not None and found.__module__.startswith('rainrestore.')


def set_require_masks(config: Config, required: bool) -> None:
    """Set ``require_masks`` in every data set of faces whose config does not have it."""
    for name in DATALOADERS:
        loader = config.get(name) or {}
        dataset = loader.get('dataset') or {}
        if dataset.get('type') == 'FaceDataset':
            dataset.setdefault('require_masks', required)


def _takes_root(dataset: Mapping[str, Any]) -> bool:
    """Whether a data set has the option ``data_root``. Wrappers and unknown types, which are refused later, count."""
    options = options_of(DATASETS.get(str(dataset.get('type'))))
    return options is None or not options.keys().isdisjoint(('data_root', 'dataset', 'datasets'))


def _add_training_faces(config: Config, folders: Sequence[str | Path], path: str | Path) -> None:
    """Add the faces of ``folders`` to the training set; validation and test sets are not changed."""
    dataset = config.get('train_dataloader', {}).get('dataset', {})
    if dataset.get('type') != 'FaceDataset':
        raise ConfigError(f'--more-data: {path} does not train on a FaceDataset')
    # With fill, a face without a mask gets an unannotated parsing, which the parsing loss ignores.
    pipeline = [{**step, 'fill': True} if step['type'] == 'ParsingTarget' else step for step in dataset.pipeline]
    further = [
        {**dataset, 'data_root': str(folder), 'require_masks': False, 'pipeline': pipeline} for folder in folders
    ]
    config.train_dataloader.dataset = {'type': 'ConcatDataset', 'datasets': [dataset, *further]}
