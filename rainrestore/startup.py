"""What makes importing mmengine slow and restoring needs not at all: put off until it is used.

``mmengine.model`` and ``mmengine.optim`` import the whole of ``torch.distributed.fsdp`` (with it sympy) and
``transformers``, for four classes that only a sharded training or one with Adafactor uses; that takes longer than torch
itself. :func:`put_off` puts stand-ins in their places. A stand-in is in mmengine's registries and namespaces under the
same name, and becomes the class when it is called, inherited from or looked into.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

#: Module of mmengine -> the class that it is for, and the registry that this is in.
CLASSES = {
    'mmengine.optim.optimizer.zero_optimizer': ('ZeroRedundancyOptimizer', 'OPTIMIZERS'),
    'mmengine.model.wrappers.fully_sharded_distributed': ('MMFullyShardedDataParallel', 'MODEL_WRAPPERS'),
    'mmengine._strategy.fsdp': ('FSDPStrategy', 'STRATEGIES'),
}
#: The module that registers the optimisers of other packages, and the one package that is both slow and common.
OPTIMISERS, PACKAGE, OPTIMISER = 'mmengine.optim.optimizer.builder', 'transformers', 'Adafactor'


def put_off() -> None:
    """Put the stand-ins where mmengine will look; imports nothing, and calling it again changes nothing.

    What is imported already stays as it is.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class StandIn:
    """Stands for a class, which ``load`` imports."""

    def __init__(self, name: str, load: Callable[[], Any], is_loaded: Callable[[], bool]) -> None:
        self.__name__ = self.__qualname__ = name
        self._load = load
        self._is_loaded = is_loaded

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._load()(*args, **kwargs)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._load(),)

    # Of a class that is not there yet nothing is an instance.
    def __instancecheck__(self, instance: Any) -> bool:
        return self._is_loaded() and isinstance(instance, self._load())

    def __subclasscheck__(self, subclass: type) -> bool:
        return self._is_loaded() and issubclass(subclass, self._load())

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        return getattr(self._load(), name)


class _Finder(MetaPathFinder):
    """Finds the stand-ins until they are used, and mmengine's own modules from then on."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in CLASSES and fullname not in self.used:
            return ModuleSpec(fullname, _StandInLoader(self))
        if fullname == OPTIMISERS and PACKAGE not in sys.modules and PathFinder.find_spec(PACKAGE):
            spec = PathFinder.find_spec(fullname, path)
            if spec is not None and spec.loader is not None:
                spec.loader = _WithoutPackage(spec.loader)
            return spec
        return None


class _StandInLoader(Loader):
    """Makes a module that holds the stand-in, and that becomes the real one when anything else is asked of it."""

    def __init__(self, finder: _Finder) -> None:
        self.finder = finder

    def create_module(self, spec: ModuleSpec) -> None:
        """None: a plain module."""

    def exec_module(self, module: ModuleType) -> None:
        fullname = module.__name__
        name, registry_name = CLASSES[fullname]
        registry = getattr(importlib.import_module('mmengine.registry'), registry_name)

        def load_module() -> ModuleType:
            if fullname not in self.finder.used:
                self.finder.used.add(fullname)
                # The real module registers the real class under this name.
                registry.module_dict.pop(name)
                del sys.modules[fullname]
            return importlib.import_module(fullname)

        stand_in = StandIn(name, lambda: getattr(load_module(), name), lambda: fullname in self.finder.used)
        registry.register_module(name=name, module=stand_in)

        def lookup(attribute: str) -> Any:
            if attribute.startswith('__'):
                raise AttributeError(attribute)
            return getattr(load_module(), attribute)

        vars(module).update({name: stand_in, '__getattr__': lookup})


class _WithoutPackage(Loader):
    """Runs the module that registers optimisers with a stand-in for the package that it would import."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        package = ModuleType(PACKAGE)
        vars(package)[OPTIMISER] = StandIn(
            OPTIMISER, lambda: getattr(importlib.import_module(PACKAGE), OPTIMISER), lambda: PACKAGE in sys.modules
        )
        sys.modules[PACKAGE] = package
        try:
            self.loader.exec_module(module)
        finally:
            del sys.modules[PACKAGE]
