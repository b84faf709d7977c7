"""List the registered components, or print the documentation of one.

rainrestore list                 all components of this package, by kind
rainrestore list losses          one kind
rainrestore list FCGGenerator    the documentation of a component

A config may also name components of mmengine and mmagic.
"""

import argparse
import inspect
import re
from collections.abc import Iterator
from typing import Any

#: Kind -> its registry, and the sub-package of its components.
KINDS = {
    'restorers': ('MODELS', 'models.restorers'),
    'networks': ('MODELS', 'models.networks'),
    'losses': ('MODELS', 'models.losses'),
    'datasets': ('DATASETS', 'datasets'),
    'transforms': ('TRANSFORMS', 'datasets.transforms'),
    'metrics': ('METRICS', 'evaluation'),
    'embedders': ('MODELS', 'evaluation'),
    'hooks': ('HOOKS', ''),
    'loops': ('LOOPS', 'engine'),
    'samplers': ('DATA_SAMPLERS', 'datasets'),
    'optimisers': ('OPTIM_WRAPPERS', 'engine'),
    'constructors': ('OPTIM_WRAPPER_CONSTRUCTORS', 'engine'),
    'detectors': ('FACE_DETECTORS', 'faces'),
    'evaluators': ('EVALUATOR', 'evaluation'),
    'wrappers': ('MODEL_WRAPPERS', 'engine'),
    'functions': ('FUNCTIONS', 'datasets'),
    'initialisers': ('WEIGHT_INITIALIZERS', 'checkpoints'),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore list``."""
    parser.add_argument('what', nargs='?', metavar='KIND|NAME', help=f'{", ".join(KINDS)}, or the name of a component')


def run(args: argparse.Namespace) -> None:
    """Print the list or the documentation."""
    from rainrestore.errors import ConfigError
    from rainrestore.suggest import did_you_mean

    found = {kind: dict(_components(kind)) for kind in ([args.what] if args.what in KINDS else KINDS)}
    named = {name: component for components in found.values() for name, component in components.items()}
    if args.what in named:
        component = named[args.what]
        print(f'{args.what}{inspect.signature(component)}\n\n{inspect.getdoc(component)}')
        return
    if args.what not in (None, *KINDS):
        raise ConfigError(f'no kind or component is named {args.what!r}{did_you_mean(args.what, [*KINDS, *named])}')
    width = max(map(len, named)) + 2
    for kind, components in found.items():
        print(f'{kind}:')
        for name, component in components.items():
            print(f'  {name:<{width}}{_summary(component)}')


def _components(kind: str) -> Iterator[tuple[str, Any]]:
    from rainrestore import registry

    name, package = KINDS[kind]
    # A registry imports its sub-packages at the first build. Face embedders are models in rainrestore.evaluation.
    for other in (getattr(registry, name), registry.METRICS):
        other.import_from_location()
    for key, component in sorted(getattr(registry, name).module_dict.items()):
        if component.__module__.startswith(f'rainrestore.{package}'):
            yield key, component


def _summary(component: Any) -> str:
    """The first sentence of a docstring, without markup."""
    text = ' '.join((inspect.getdoc(component) or '').partition('\n\n')[0].split())
    text = re.sub(r':\w+:`~?(?:[\w.]*\.)?(\w+)`', r'\1', text).replace('``', '')
    return re.split(r'(?<! al)(?<! eq)(?<!eqs)(?<!\.\.)\. ', text)[0].rstrip('.:')
