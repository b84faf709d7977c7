"""Check the options of a config before anything is built; each error message is one line."""

import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from importlib.util import find_spec
from multiprocessing import get_all_start_methods
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from rainrestore import registry
from rainrestore.errors import ConfigError, MissingPackageError
from rainrestore.rules import COUNT, NUMBER, Rule
from rainrestore.suggest import did_you_mean

#: Keys of a config that mmengine's Runner or this package reads.
TOP_LEVEL = frozenset(inspect.signature(Runner).parameters) - {'cfg'} | {
    *('custom_imports', 'runner_type', 'find_unused_parameters', 'model_wrapper_cfg', 'sync_bn'),
    *('data_root', 'detector', 'restoration'),
}
#: Part of a config -> the registry of its component.
PARTS = {
    'model': registry.MODELS, 'data_preprocessor': registry.MODELS, 'param_scheduler': registry.PARAM_SCHEDULERS,
    'train_cfg': registry.LOOPS, 'val_cfg': registry.LOOPS, 'test_cfg': registry.LOOPS,
    'val_evaluator': registry.METRICS, 'test_evaluator': registry.METRICS, 'custom_hooks': registry.HOOKS,
    'visualizer': registry.VISUALIZERS, 'log_processor': registry.LOG_PROCESSORS,
    'model_wrapper_cfg': registry.MODEL_WRAPPERS, 'detector': registry.FACE_DETECTORS,
}  # fmt: skip
#: Option of a component -> the registry of its value; other options use the registry of the component.
INSIDE = {
    'pipeline': registry.TRANSFORMS, 'dataset': registry.DATASETS, 'sampler': registry.DATA_SAMPLERS,
    'batch_sampler': registry.DATA_SAMPLERS, 'collate_fn': registry.FUNCTIONS, 'optimizer': registry.OPTIMIZERS,
    'init_cfg': registry.WEIGHT_INITIALIZERS, 'metrics': registry.METRICS, 'vis_backends': registry.VISBACKENDS,
    'parser': registry.MODELS, 'embedder': registry.MODELS,
}  # fmt: skip
DATALOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
#: Parts without a component -> their keys.
PLAIN = {
    'randomness': ('seed', 'diff_rank_seed', 'deterministic'),
    'env_cfg': ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'),
}
#: Backend of the visualizer -> the package that it imports when a run starts.
BACKENDS = {
    'TensorboardVisBackend': 'tensorboard', 'WandbVisBackend': 'wandb', 'MLflowVisBackend': 'mlflow',
    'ClearMLVisBackend': 'clearml', 'NeptuneVisBackend': 'neptune', 'DVCLiveVisBackend': 'dvclive',
    'AimVisBackend': 'aim',
}  # fmt: skip
#: Parts that may be a list of components.
LISTS = ('custom_hooks', 'val_evaluator', 'test_evaluator', 'param_scheduler')
#: Parts that are used together; mmengine refuses some of them without the others.
TOGETHER = (('train_cfg', 'train_dataloader', 'optim_wrapper'), ('val_cfg', 'val_dataloader', 'val_evaluator'))
POSITIVE = Rule('a positive integer', lambda value: COUNT.is_valid(value) and value > 0)
FLAG = Rule('True or False', lambda value: isinstance(value, bool))
DICT = Rule('a dict', lambda value: isinstance(value, Mapping))
LEVELS = ('CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG')
#: Pattern of the path of a key -> the rule for its value.
RULES = {
    'train_cfg.max_iters': POSITIVE, 'train_cfg.max_epochs': POSITIVE, 'train_cfg.val_interval': POSITIVE,
    '*_dataloader.batch_size': POSITIVE, '*_dataloader.num_workers': COUNT, 'default_hooks.logger.interval': POSITIVE,
    'log_processor.window_size': POSITIVE,
    'default_hooks.checkpoint.interval': Rule(
        'a positive integer, or -1 for none', lambda value: value == -1 or POSITIVE.is_valid(value)
    ),
    'randomness.seed': Rule(
        'an integer from 0 to 4294967295, or None',
        lambda value: value is None or (COUNT.is_valid(value) and value < 2**32)
    ),
    'optim_wrapper*.optimizer.lr': Rule('a non-negative number', lambda value: NUMBER.is_valid(value) and value >= 0),
    **{f'*_dataloader.{key}': FLAG for key in ('drop_last', 'pin_memory', 'persistent_workers')},
    'model.*channels': Rule('above 0', lambda value: not NUMBER.is_valid(value) or value > 0),
    'model.*num_blocks': Rule('at least 0', lambda value: not NUMBER.is_valid(value) or value >= 0),
    '*_dataloader.collate_fn': Rule('a component, dict(type=...), or a function', callable),
    '*_evaluator*.prefix': Rule('a text or None', lambda value: isinstance(value, str | None)),
    '*_evaluator*.collect_device': Rule("'cpu' or 'gpu'", lambda value: value in ('cpu', 'gpu')),
    'load_from': Rule('a file, an address or None', lambda value: isinstance(value, str | None)),
    'resume': FLAG, 'randomness.deterministic': FLAG,
    'optim_wrapper*.accumulative_counts': POSITIVE,
    'optim_wrapper.*.slots': Rule('a list of slots', lambda value: isinstance(value, list | tuple)),
    'default_hooks.checkpoint.rule': Rule(
        "'greater', 'less' or a list of these",
        lambda value: value is None or set(value if isinstance(value, list | tuple) else [value]) <= {'greater', 'less'}
    ),
    'visualizer.vis_backends': Rule('a list of components', lambda value: isinstance(value, list | tuple | None)),
    'log_level': Rule(f'one of {", ".join(LEVELS)}', lambda value: value in LEVELS),
    'default_scope': Rule(
        'the package of a registry, such as rainrestore',
        lambda value: isinstance(value, str) and value.isidentifier() and find_spec(value) is not None
    ),
    'env_cfg.cudnn_benchmark': FLAG,
    'env_cfg.resource_limit': POSITIVE,
    'env_cfg.mp_cfg': DICT,
    'env_cfg.dist_cfg': DICT,
    'env_cfg.mp_cfg.mp_start_method': Rule(
        f'one of {", ".join(get_all_start_methods())}, or None',
        lambda value: value is None or value in get_all_start_methods()
    ),
}  # fmt: skip
#: Dicts of named entries, each of which can be set to None -> the entries that mmengine adds.
ENTRIES = {
    'default_hooks': ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint'),
    'model.local_discriminators': (),
}
LOOP = ('by_epoch', 'max_epochs', 'max_iters', 'val_begin', 'val_interval', 'dynamic_intervals', 'fp16')
LOADER = ('num_batch_per_epoch', 'disable_subprocess_warning')
#: Least similarity, 0 to 1, of a variable of a config file and a known key to count as a misspelling of the key.
MISSPELT = 0.8


def check_top_level(config: Mapping[str, Any], options: Mapping[str, Any], path: object) -> None:
    """Check for keys without effect: misspelt keys, and options that set an auxiliary variable of the config file.

    Args:
        config: The config before the options are merged.
        options: The dotted keys of ``--cfg-options``, and their values.
        path: Path of the config, for messages.

    Raises:
        ConfigError: A key has no effect.
    """
    for option, value in options.items():
        name = option.partition('.')[0]
        if value is None:
            _check_entry(config, option)
        if name == 'launcher':
            raise ConfigError('--cfg-options: launcher has no effect: use --launcher')
        if name in TOP_LEVEL:
            continue
        if name in config:
            raise ConfigError(
                f'--cfg-options: {name} is an auxiliary variable of {path} without effect: change the keys that use it'
            )
        raise ConfigError(f'--cfg-options: {option}: no key {name!r} in a config{did_you_mean(name, TOP_LEVEL)}')
    for name in config:
        if name not in TOP_LEVEL and (near := did_you_mean(name, TOP_LEVEL, cutoff=MISSPELT)):
            raise ConfigError(f'{path}: no key {name!r} in a config{near}; name an auxiliary variable _{name}')


def _check_entry(config: Mapping[str, Any], option: str) -> None:
    """Check that an entry that an option sets to None exists."""
    above, _, entry = option.rpartition('.')
    if above not in ENTRIES:
        return
    entries: Any = config
    for key in above.split('.'):
        entries = entries.get(key) or {}
    known = {*entries, *ENTRIES[above]}
    if entry not in known:
        raise ConfigError(f'--cfg-options: {option}=None has no effect: no such entry{did_you_mean(entry, known)}')


def check_kinds(config: Mapping[str, Any]) -> None:
    """Check that every part of a config is a dict, or a list of components where that is allowed.

    Raises:
        ConfigError: A part or an entry of a list has the wrong kind.
    """
    for name in (*PARTS, *DATALOADERS, *PLAIN, 'optim_wrapper', 'default_hooks'):
        value = config.get(name)
        if value is None and not (name in PLAIN and name in config):
            continue
        if name in LISTS and isinstance(value, list | tuple):
            _check_entries(value, name)
        elif name == 'custom_hooks':
            raise ConfigError(f'{name}: must be a list of components, [dict(type=...)], got {value!r}')
        elif not isinstance(value, Mapping):
            raise ConfigError(f'{name}: must be a dict{" or a list of dicts" * (name in LISTS)}, got {value!r}')
        elif name in DATALOADERS:
            _check_dataset(value.get('dataset'), f'{name}.dataset')
        elif name == 'default_hooks':
            for key, hook in value.items():
                if not isinstance(hook, Mapping | None):
                    raise ConfigError(f'{name}.{key}: must be a component, dict(type=...), or None, got {hook!r}')


def _check_dataset(value: Any, path: str) -> None:
    if not isinstance(value, Mapping):
        raise ConfigError(f'{path}: must be a data set, dict(type=...), got {value!r}')
    if 'dataset' in value:
        _check_dataset(value['dataset'], f'{path}.dataset')
    for key in ('datasets', 'pipeline'):
        if key in value:
            entries = value[key]
            if not isinstance(entries, list | tuple) or not entries:
                raise ConfigError(f'{path}.{key}: must be a list of components, [dict(type=...)], got {entries!r}')
            _check_entries(entries, f'{path}.{key}')
    for number, dataset in enumerate(value.get('datasets', ())):
        _check_dataset(dataset, f'{path}.datasets.{number}')


def _check_entries(entries: Iterable[Any], path: str) -> None:
    # In Python, an entry may also be a built component.
    for number, entry in enumerate(entries):
        plain = entry is None or isinstance(entry, str | int | float | list | tuple)
        if plain or (isinstance(entry, Mapping) and 'type' not in entry):
            raise ConfigError(f'{path}.{number}: must be a component, dict(type=...), got {entry!r}')


def check_config(config: Config) -> None:
    """Check that the type of every component of a config exists and that it accepts the given options.

    Raises:
        ConfigError: A missing part, an unknown type or option, or a number outside its range. The message has its
            position in the config and the known options or numbers.
        MissingPackageError: A backend of the visualizer needs a package that is not installed.
    """
    _check_required(config)
    for path, value in _values(config):
        for pattern, rule in RULES.items():
            if fnmatchcase(path, pattern) and not rule.is_valid(value):
                raise ConfigError(f'{path}: must be {rule.description}, got {value!r}')
    for name, value in config.items():
        if value is None:
            continue
        if name in PARTS:
            check_component(value, name, PARTS[name])
        elif name in DATALOADERS:
            options = registry.options_of(DataLoader) or {}
            _check_keys(value, name, 'a data loader', {*options, *LOADER})
            _check_inside(value, name, registry.DATASETS)
        elif name == 'optim_wrapper':
            _check_optim_wrapper(value)
        elif name == 'default_hooks':
            for key, hook in value.items():
                if hook is not None and 'type' not in hook:
                    others = [other for other, content in value.items() if content and 'type' in content]
                    raise ConfigError(f'{name}.{key}: the hook has no type{did_you_mean(key, others)}')
                check_component(hook, f'{name}.{key}', registry.HOOKS)
        elif name in PLAIN:
            _check_keys(value, name, name, PLAIN[name])
    if (config.get('train_cfg') or {}).get('max_iters') is not None:
        for path, schedule in _components(config.get('param_scheduler'), 'param_scheduler'):
            if schedule.get('by_epoch', True):
                raise ConfigError(f'{path}.by_epoch: must be False, because the training counts iterations')
    for backend in (config.get('visualizer') or {}).get('vis_backends') or ():
        name = str(backend['type']).rpartition('.')[2] if isinstance(backend, Mapping) else ''
        package = BACKENDS.get(name)
        if package and find_spec(package) is None:
            raise MissingPackageError(f'{name} needs {package}, which is not installed: pip install {package}')


def _components(value: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The path and the config of each component in a component, a list or a dict of these."""
    if isinstance(value, Mapping) and 'type' in value:
        yield path, value
    elif isinstance(value, Mapping | list | tuple):
        for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _components(part, f'{path}.{key}')


def _values(config: Mapping[str, Any], above: str = '') -> Iterator[tuple[str, Any]]:
    """The path and the value of every key in nested dicts, also in the dicts of a list."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _values(value, f'{above}{key}.')
            continue
        if isinstance(value, list | tuple):
            entries = {str(index): entry for index, entry in enumerate(value) if isinstance(entry, Mapping)}
            yield from _values(entries, f'{above}{key}.')
        yield f'{above}{key}', value


def _check_required(config: Mapping[str, Any]) -> None:
    """Check that there is a model, and in a training config every part that the training and the validation need."""
    if config.get('model') is None:
        raise ConfigError('model: must be a component, dict(type=...), got None')
    if config.get('train_cfg') is None:
        return
    for names in TOGETHER:
        missing = [name for name in names if config.get(name) is None]
        if missing and len(missing) < len(names):
            others = ' and '.join(name for name in names if name not in missing)
            raise ConfigError(f'{missing[0]}: must be a dict, got None; {others} cannot be used without it')


def check_component(value: Any, path: str, known: Registry) -> None:
    """Check a component or a list of components, with all components inside.

    Args:
        value: Config of the component.
        path: Position of the component in the config, such as ``model.generator``.
        known: The registry that builds the component.

    Raises:
        ConfigError: See :func:`check_config`.
    """
    if isinstance(value, list | tuple):
        for number, part in enumerate(value):
            check_component(part, f'{path}.{number}', known)
        return
    if not isinstance(value, Mapping):
        return
    if 'type' not in value:
        if known is registry.LOOPS:
            _check_keys(value, path, 'a loop', LOOP)
        _check_inside(value, path, known)
        return
    component, name = _find(value, path, known)
    options = registry.options_of(component)
    if options is not None:
        _check_keys(value, path, name, options)
    # Components inside a component of another package belong to registries of that package; they are not checked.
    if component.__module__.startswith(('rainrestore.', 'mmengine.')) and '_scope_' not in value:
        # A dict of mmengine's components may be plain options, such as clip_grad or init_kwargs.
        if component.__module__.startswith('rainrestore.'):
            _check_slots(value, path, name, options or {})
        _check_inside(value, path, known)
    if component.__module__.startswith(registry.ANNOTATED):
        registry.check_values(value, path, options or {})


def _check_inside(value: Mapping[str, Any], path: str, known: Registry) -> None:
    for key, part in value.items():
        if isinstance(part, Mapping | list | tuple):
            check_component(part, f'{path}.{key}', INSIDE.get(key, known))


def _check_slots(value: Mapping[str, Any], path: str, name: str, parameters: Mapping[str, inspect.Parameter]) -> None:
    """Check that each slot is a component, or None if it may be empty, and the entries of ``local_discriminators``."""
    from rainrestore.models.restorers.fcg_gan import LocalDiscriminator

    for key, parameter in parameters.items():
        part = value.get(key)
        if part is None:
            if parameter.annotation is dict and parameter.default is parameter.empty:
                raise ConfigError(f'{path}.{key}: {name} needs a component, dict(type=...), got None')
            continue
        if key == 'local_discriminators':
            if not isinstance(part, Mapping):
                raise ConfigError(f'{path}.{key}: must be a dict of components or None, got {part!r}')
            options = registry.options_of(LocalDiscriminator) or {}
            for entry, content in part.items():
                if content is not None:
                    _check_keys(content, f'{path}.{key}.{entry}', entry, options)
                    registry.check_values(content, f'{path}.{key}.{entry}', options)
        elif parameter.annotation in (dict, dict | None) and key != 'init_cfg':
            if not isinstance(part, Mapping):
                raise ConfigError(f'{path}.{key}: {name} needs a component, dict(type=...), got {part!r}')
            if 'type' not in part:
                raise ConfigError(f'{path}.{key}: the component has no type')


def _check_optim_wrapper(value: Mapping[str, Any]) -> None:
    rest = {key: part for key, part in value.items() if key not in ('constructor', 'paramwise_cfg')}
    constructor = value.get('constructor')
    if constructor != 'SlotOptimWrapperConstructor':
        if constructor in (None, 'DefaultOptimWrapperConstructor') and not isinstance(rest.get('optimizer'), Mapping):
            raise ConfigError(
                f'optim_wrapper.optimizer: must be a component, dict(type=...), got {rest.get("optimizer")!r}'
            )
        check_component({'type': 'OptimWrapper', **rest}, 'optim_wrapper', registry.OPTIM_WRAPPERS)
        return
    whole = [key for key, group in rest.items() if isinstance(group, Mapping) and 'slots' in group]
    for key, group in rest.items():
        path = f'optim_wrapper.{key}'
        if key not in whole:
            near = did_you_mean(key, whole) or f', such as optim_wrapper.{whole[0]}.{key}' * bool(whole)
            raise ConfigError(f'{path}: not a group of slots; the groups are {", ".join(whole)}{near}')
        if not isinstance(group.get('optimizer'), Mapping):
            raise ConfigError(f'{path}.optimizer: must be a component, dict(type=...), got {group.get("optimizer")!r}')
        content = {'type': 'OptimWrapper', **{name: part for name, part in group.items() if name != 'slots'}}
        check_component(content, path, registry.OPTIM_WRAPPERS)


def _find(value: Mapping[str, Any], path: str, known: Registry) -> tuple[Any, str]:
    """The class or function of a type, and its name."""
    kind = value['type']
    if not isinstance(kind, str):
        if not callable(kind):
            raise ConfigError(f'{path}.type: must be the name of a component or a class, got {kind!r}')
        return kind, getattr(kind, '__name__', str(kind))
    with known.switch_scope_and_registry(value.get('_scope_') or registry.SCOPE) as own:
        found = own.get(kind)
    if found is None and known is registry.METRICS:
        found = registry.EVALUATOR.get(kind)
    if found is None:
        near = did_you_mean(kind, registry.known_names(known)) or '; rainrestore list shows the names of this package'
        raise ConfigError(f'{path}: type={kind!r}: no {known.name} has this name{near}')
    return found, found.__name__


def _check_keys(value: Any, path: str, name: str, names: Collection[str]) -> None:
    if not isinstance(value, Mapping):
        raise ConfigError(f'{path}: the config of {name} must be a dict, got {value!r}')
    unknown = [key for key in value if key not in names and key not in ('type', '_scope_')]
    if unknown:
        near, options = did_you_mean(unknown[0], names), ', '.join(sorted(set(names) - {'self'}))
        raise ConfigError(f'{path}.{unknown[0]}: {name} has no option {unknown[0]!r}{near}; its options are {options}')
