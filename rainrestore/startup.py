"""Import mmengine without the slow modules that only sharded training and Adafactor use.

``mmengine.model`` and ``mmengine.optim`` import ``torch.distributed.fsdp`` (with sympy) and ``transformers``, which
takes as long as torch itself. :func:`put_off` replaces three modules of mmengine by a stand-in class each, which loads
the real class when it is called, and hides ``transformers`` from the one module that asks for Adafactor. In a release
of mmengine with other module names nothing matches, and the import is slower.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any, NoReturn

#: Module of mmengine -> its class, and the registry that holds it.
PUT_OFF = {
    'mmengine.optim.optimizer.zero_optimizer': ('ZeroRedundancyOptimizer', 'OPTIMIZERS'),
    'mmengine.model.wrappers.fully_sharded_distributed': ('MMFullyShardedDataParallel', 'MODEL_WRAPPERS'),
    'mmengine._strategy.fsdp': ('FSDPStrategy', 'STRATEGIES'),
}
#: Registers the optimisers of other packages; a package that is not there is passed over.
BUILDER = 'mmengine.optim.optimizer.builder'


def put_off() -> None:
    """Put the stand-ins where mmengine will look; imports nothing, and calling it again changes nothing.

    Modules that are imported already stay: import ``mmengine.model`` before ``rainrestore`` to have no stand-ins.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder, Loader):
    def __init__(self) -> None:
        self.loaded: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in PUT_OFF and fullname not in self.loaded:
            return ModuleSpec(fullname, self)
        if fullname != BUILDER or PathFinder.find_spec('transformers') is None:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.origin is not None:
            spec.loader = _WithoutTransformers(fullname, spec.origin)
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """None: a plain module."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with the stand-in class."""
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
        """Run the module while ``import transformers`` fails, and register Adafactor as a function that imports it."""
        # None is how Python lets an import fail.
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
