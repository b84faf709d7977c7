"""The component registries of scope ``rainrestore``.

Each registry is a child of mmengine's registry of the same kind. A config may use components of this package
(``type='HRRM'``), of mmengine (``type='CheckpointHook'``) or of another OpenMMLab package (``type='mmagic.RRDBNet'``).
A registry imports the modules of its components (``locations``) at the first build, not at ``import rainrestore``.
"""

import inspect
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from mmengine import registry as _root

from rainrestore.arguments import fits
from rainrestore.errors import ConfigError, OptionError, RainRestoreError
from rainrestore.suggest import did_you_mean

SCOPE = 'rainrestore'
#: Types in annotations whose values a config can hold; values of other types are not checked.
PLAIN_TYPES = {bool, int, float, str, NoneType, dict, Mapping, list, tuple, Sequence}
#: Packages whose annotations are right. The other OpenMMLab packages have no type hints, or wrong ones.
ANNOTATED = ('rainrestore.', 'mmengine.', 'torch.')


def check_component(config: Mapping[str, Any], registry: _root.Registry, path: str = '') -> None:
    """Check that the component ``config['type']`` exists and accepts the other keys of ``config`` as options.

    Args:
        config: The config of the component.
        registry: The registry of the component.
        path: Path of the component in its config, for messages; default: the name of the component.

    Raises:
        ConfigError: There is no such component or option; the message contains the nearest name.
        OptionError: See :func:`check_values`.
    """
    name = config.get('type')
    component = registry.get(name) if isinstance(name, str) else name
    if component is None:
        if name is None:
            return
        raise ConfigError(
            f'type={name!r}: no {registry.name} has this name{did_you_mean(str(name), known_names(registry))}; '
            'rainrestore list prints all names, and custom_imports loads your own components'
        )
    options = options_of(component)
    if options is None:
        return
    title = getattr(component, '__name__', str(component))
    for option in config:
        if option not in options and option not in ('type', '_scope_'):
            raise ConfigError(f'{title} has no option {option!r}{did_you_mean(option, options)}')
    if component.__module__.startswith(ANNOTATED):
        check_values(config, path or title, options)


def check_values(config: Mapping[str, Any], path: str, options: Mapping[str, inspect.Parameter]) -> None:
    """Check that the value of each option has one of the types of its annotation, and that numbers are finite.

    Args:
        config: Option -> value.
        path: Path of the component in its config, for the message.
        options: The result of :func:`options_of`.

    Raises:
        OptionError: A value of another type, NaN or infinity.
    """
    for key, value in config.items():
        if key in options and not _fits(value, options[key]):
            if isinstance(value, Real) and not math.isfinite(value):
                raise OptionError(f'{path}.{key}: must be finite, got {value!r}')
            annotation = inspect.formatannotation(options[key].annotation)
            raise OptionError(f'{path}.{key}: must be of type {annotation}, got {value!r}')


def _fits(value: Any, option: inspect.Parameter) -> bool:
    """Whether a value has one of the types of an annotation, or the annotation has other types than plain ones."""
    annotation = option.annotation
    several = isinstance(annotation, UnionType) or get_origin(annotation) is Union
    kinds = {get_origin(kind) or kind for kind in (get_args(annotation) if several else (annotation,))}
    if not kinds <= PLAIN_TYPES or value is option.default:
        return True
    return bool(kinds & {list, tuple, Sequence}) if isinstance(value, list | tuple) else fits(value, annotation)


def known_names(registry: _root.Registry) -> list[str]:
    """The names of the components of a registry and of its parents, sorted."""
    own = set(registry.module_dict)
    return sorted(own.union(known_names(registry.parent)) if registry.parent else own)


def options_of(component: Any) -> dict[str, inspect.Parameter] | None:
    """The keyword arguments of a class or a function by name; None if it accepts any keyword."""
    calls = [component]
    if inspect.isclass(component):
        if component.__new__ is not object.__new__:
            return None
        calls = [vars(kind)['__init__'] for kind in component.__mro__ if '__init__' in vars(kind)]
    options: dict[str, inspect.Parameter] = {}
    for call in calls:
        try:
            parameters = inspect.signature(call, eval_str=True).parameters.values()
        except NameError:
            # The annotations name types that only a type checker imports.
            parameters = inspect.signature(call).parameters.values()
        except (TypeError, ValueError):
            return None
        own = {parameter.name: parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}
        options = {**own, **options}
        # A class with **kwargs passes them to its base class. mmengine's CheckpointHook does not: an unknown keyword
        # fails at the first checkpoint.
        closed = all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters)
        if closed or call.__qualname__ == 'CheckpointHook.__init__':
            return options
    return None


def _child(parent: _root.Registry, *packages: str) -> _root.Registry:
    locations = [f'rainrestore.{package}' for package in packages]

    def build(config: Any, *args: Any, registry: _root.Registry, **options: Any) -> Any:
        if isinstance(config, Mapping):
            check_component(config, registry)
        try:
            return parent.build_func(config, *args, registry=registry, **options)
        except ValueError as error:
            if isinstance(error, RainRestoreError) or not isinstance(config, Mapping):
                raise
            kind = config.get('type')
            title = f'{getattr(kind, "__name__", kind)}: '
            raise OptionError(title + str(error).removeprefix(title)) from error

    return _root.Registry(parent.name, build_func=build, parent=parent, scope=SCOPE, locations=locations)


MODELS = _child(_root.MODELS, 'models')
DATASETS = _child(_root.DATASETS, 'datasets')
TRANSFORMS = _child(_root.TRANSFORMS, 'datasets.transforms')
METRICS = _child(_root.METRICS, 'evaluation')
EVALUATOR = _child(_root.EVALUATOR, 'evaluation')
HOOKS = _child(_root.HOOKS, 'engine')
LOOPS = _child(_root.LOOPS, 'engine')
OPTIM_WRAPPERS = _child(_root.OPTIM_WRAPPERS, 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(_root.OPTIM_WRAPPER_CONSTRUCTORS, 'engine')
VISUALIZERS = _child(_root.VISUALIZERS, 'visualization')
VISBACKENDS = _child(_root.VISBACKENDS, 'visualization')
OPTIMIZERS = _child(_root.OPTIMIZERS, 'engine')
PARAM_SCHEDULERS = _child(_root.PARAM_SCHEDULERS, 'engine')
DATA_SAMPLERS = _child(_root.DATA_SAMPLERS, 'datasets')
FUNCTIONS = _child(_root.FUNCTIONS, 'datasets')
RUNNERS = _child(_root.RUNNERS, 'engine')
RUNNER_CONSTRUCTORS = _child(_root.RUNNER_CONSTRUCTORS, 'engine')
LOG_PROCESSORS = _child(_root.LOG_PROCESSORS, 'engine')
MODEL_WRAPPERS = _child(_root.MODEL_WRAPPERS, 'engine')
WEIGHT_INITIALIZERS = _child(_root.WEIGHT_INITIALIZERS, 'models')
STRATEGIES = _child(_root.STRATEGIES, 'engine')
#: Face detectors. mmengine has no registry of this kind.
FACE_DETECTORS = _root.Registry('face detector', scope=SCOPE, locations=['rainrestore.faces'])
