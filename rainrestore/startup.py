"""Import mmengine without the slow modules that only sharded training and Adafactor need.

``mmengine.model`` and ``mmengine.optim`` import ``torch.distributed.fsdp`` (with sympy) and ``transformers``, which
takes as long as the import of torch. :func:`put_off` replaces three modules of mmengine by stand-ins that load the real
class at its first use, and hides ``transformers`` from the module that registers Adafactor. If a release of mmengine
has other module names, the import is only slower.
"""

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any, NoReturn

#: Module of mmengine -> its class, and the registry of the class.
PUT_OFF = {
    'mmengine.optim.optimizer.zero_optimizer': ('ZeroRedundancyOptimizer', 'OPTIMIZERS'),
    'mmengine.model.wrappers.fully_sharded_distributed': ('MMFullyShardedDataParallel', 'MODEL_WRAPPERS'),
    'mmengine._strategy.fsdp': ('FSDPStrategy', 'STRATEGIES'),
}
#: Registers the optimisers of other packages and skips missing packages.
BUILDER = 'mmengine.optim.optimizer.builder'


def put_off() -> None:
    """Register the stand-ins as an import hook. Imports nothing; calling it again changes nothing.

    Modules that are already imported are not replaced: import ``mmengine.model`` before ``rainrestore`` to avoid the
    stand-ins.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder, Loader):
    def __init__(self) -> None:
        self.loaded: set[str] = set()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname in PUT_OFF and fullname not in self.loaded:
            return ModuleSpec(fullname, self)
        if fullname != BUILDER or PathFinder.find_spec('transformers') is None:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.origin is not None:
            spec.loader = _WithoutTransformers(fullname, spec.origin)
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Return None, so that Python creates a plain module."""

    def exec_module(self, module: ModuleType) -> None:
        """Define the stand-in class in the module."""
        name, registry_name = PUT_OFF[module.__name__]
        registry = getattr(importlib.import_module('mmengine.registry'), registry_name)

        def load() -> Any:
            if module.__name__ not in self.loaded:
                self.loaded.add(module.__name__)
                # The real module registers the real class under this name.
                registry.module_dict.pop(name)
                del sys.modules[module.__name__]
            return getattr(importlib.import_module(module.__name__), name)

        class StandIn:
            def __new__(cls, *args: Any, **options: Any) -> Any:
                return load()(*args, **options)

            def __init_subclass__(cls) -> NoReturn:
                raise TypeError(f'{name} is not loaded yet: import mmengine.model before rainrestore to inherit it')

        registry.register_module(name=name, module=StandIn)
        setattr(module, name, StandIn)


class _WithoutTransformers(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        """Run the module while ``import transformers`` fails, and register a function that imports Adafactor."""
        # With None in sys.modules, the import fails.
        hidden = sys.modules.setdefault('transformers', None)  # type: ignore[arg-type]
        try:
            super().exec_module(module)
        finally:
            if hidden is None:
                del sys.modules['transformers']

        def adafactor(*args: Any, **options: Any) -> Any:
            return importlib.import_module('transformers').Adafactor(*args, **options)

        if hidden is None:
            module.OPTIMIZERS.register_module(name='Adafactor', module=adafactor)
