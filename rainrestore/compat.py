"""Patches of the OpenMMLab packages for current torch and numpy.

``import rainrestore`` calls :func:`apply`, which registers import hooks and imports nothing. Each patch runs before the
first import of the module that needs it, and does nothing if the installed release does not need it. In your own
script, import rainrestore before mmagic, mmcv or torchvision.
"""

import importlib.machinery
import sys
from collections.abc import Callable
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

# References that keep torch.library.Library objects alive: a library that is collected removes its operators.
_kept_libraries: list[Any] = []


def apply() -> None:
    """Make mmagic, mmcv-lite, torchvision and mmengine usable together; calling it again changes nothing."""
    if any(isinstance(finder, _PatchBeforeImport) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _PatchBeforeImport())
    # Last, so that a compiled mmcv._ext is found first.
    sys.meta_path.append(_MMCVOpsFinder())
    for module, patch in _PATCHES.items():
        if module in sys.modules:
            patch()


def numpy_bool8() -> None:
    """Define ``np.bool8``, which numpy 2.0 removed.

    Breaks: ``mmagic/utils/trans_utils.py`` reads ``np.bool8`` at import.
    Unnecessary with: numpy < 2, or an mmagic after 1.2.0 (no such release so far).
    """
    import numpy as np

    np.bool8 = np.bool_  # type: ignore[attr-defined]


def mmagic_initialisation() -> None:
    """Allow mmagic's pix2pix networks as slots of another model.

    Breaks: ``generation_init_weights`` reads ``init_info`` of every module that has mmengine's ``_params_init_info``,
    but sets it only for convolutions and norms, and fails. In mmagic's own models it runs before mmengine adds
    ``_params_init_info``; in a slot it runs afterwards.
    Unnecessary with: an mmagic after 1.2.0 (no such release so far).
    """
    original = sys.modules['mmagic.models.utils.model_utils'].generation_init_weights
    watch = '_params_init_info'

    def generation_init_weights(module: Any, *args: Any, **kwargs: Any) -> None:
        watched = [part for part in module.modules() if watch in vars(part)]
        reports = [vars(part).pop(watch) for part in watched]
        original(module, *args, **kwargs)
        for part, report in zip(watched, reports, strict=True):
            setattr(part, watch, report)

    for name, loaded in list(sys.modules.items()):
        if name.startswith('mmagic.') and vars(loaded).get('generation_init_weights') is original:
            loaded.generation_init_weights = generation_init_weights  # type: ignore[attr-defined]


def torchvision_operators() -> None:
    """Declare ``torchvision::nms``, with a CPU implementation, if torchvision's compiled operators do not load.

    Breaks: the torchvision of PyPI links to CUDA. With a CPU build of torch its ``_C.so`` does not load, and
    ``torchvision/_meta_registrations.py`` fails because the operator is not declared.
    Unnecessary with: a torchvision built for the same torch (both CPU, or both for the same CUDA).
    """
    if not torchvision_is_broken():
        return
    import torch

    if hasattr(torch.ops.torchvision, 'nms'):
        return
    library = torch.library.Library('torchvision', 'DEF')
    for name in ('nms', 'qnms'):
        library.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    library.impl('nms', _nms, 'CPU')
    _kept_libraries.append(library)


def torchvision_is_broken() -> bool:
    """Whether the compiled operators of torchvision are missing or do not load with the installed torch."""
    import torch

    # importlib.util.find_spec would call the import hook that calls this function.
    spec = importlib.machinery.PathFinder.find_spec('torchvision')
    if spec is None or spec.origin is None:
        return False
    # .pyd on Windows. A torchvision that was built without operators has no such file.
    operators = sorted(Path(spec.origin).parent.glob('_C*.so')) + sorted(Path(spec.origin).parent.glob('_C*.pyd'))
    try:
        for file in operators:
            torch.ops.load_library(file)
    except OSError:
        return True
    return not operators


def torchvision_nms() -> None:
    """Allow ``torchvision.ops.nms`` to call the implementation of :func:`torchvision_operators`.

    Breaks: ``torchvision.ops`` refuses every operator if ``_C.so`` does not load, also declared ones.
    Unnecessary with: the same releases as :func:`torchvision_operators`.
    """
    if _kept_libraries:
        extension: Any = sys.modules['torchvision.extension']
        extension._assert_has_ops = lambda: None


def mmengine_checkpoint_types() -> None:
    """Allow the types of mmengine's message hub in checkpoints.

    Breaks: mmengine <= 0.10.7 calls ``torch.load`` without ``weights_only``, which is True by default since torch 2.6,
    and ``Runner.resume`` fails at the ``HistoryBuffer`` and the numpy scalars of the message hub.
    Unnecessary with: torch < 2.6, or onedl-mmengine 0.10.12, the maintained fork with the same import name.
    """
    from importlib import metadata

    try:
        metadata.version('mmengine')
    except metadata.PackageNotFoundError:
        return  # only the fork is installed, whose distribution is named onedl-mmengine
    import torch

    torch.serialization.add_safe_globals(checkpoint_types())


@cache
def checkpoint_types() -> list[Any]:
    """Types that a checkpoint may contain in addition to tensors and plain Python values, for ``torch.serialization``.

    They are mmengine's ``HistoryBuffer``, numpy arrays and numpy scalars. The fork of mmengine also allows ``getattr``,
    through which a file can run any code; here it is restricted to methods of ``HistoryBuffer``.
    """
    import pickle

    import numpy as np
    from mmengine.logging.history_buffer import HistoryBuffer

    def method_of_history_buffer(owner: object, name: str) -> object:
        # A HistoryBuffer pickles its statistics as getattr(HistoryBuffer, 'mean'). The real getattr would give access
        # to all attributes of the allowed types.
        if owner is not HistoryBuffer or name.startswith('_'):
            raise pickle.UnpicklingError(f'refused to look up {name!r} of {owner!r} while loading a checkpoint')
        return getattr(owner, name)

    core = np._core if hasattr(np, '_core') else np.core
    dtypes = [type(np.dtype(kind)) for kind in ('bool', 'int32', 'int64', 'uint8', 'uint32', 'float32', 'float64')]
    return [
        HistoryBuffer,
        (method_of_history_buffer, 'builtins.getattr'),
        *(core.multiarray._reconstruct, core.multiarray.scalar, np.ndarray, np.dtype, *dtypes),
    ]


_PATCHES: dict[str, Callable[[], None]] = {
    'mmagic': numpy_bool8,
    # Imported after model_utils, and before the networks, which copy the function.
    'mmagic.models.utils.sampling_utils': mmagic_initialisation,
    'torchvision': torchvision_operators,
    # Imported after torchvision.extension, whose function torchvision.ops copies.
    'torchvision.ops': torchvision_nms,
    'mmengine.runner.checkpoint': mmengine_checkpoint_types,
}


class _PatchBeforeImport(MetaPathFinder):
    """Runs the patch of a module before its import; the following finders find the module."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname in _PATCHES:
            _PATCHES[fullname]()


class _MMCVOpsFinder(MetaPathFinder, Loader):
    """Provides a stand-in for the compiled ``mmcv._ext``, which mmcv-lite lacks.

    Breaks: ``mmagic.models`` imports ``mmcv.ops``, which imports ``mmcv._ext``.
    Unnecessary with: a compiled mmcv 2.0 or 2.1, whose own ``_ext`` is found first.
    """

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == 'mmcv._ext' else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _MissingOps(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the stand-in has no code to run."""


class _MissingOps(ModuleType):
    """A module in which every name is a function that raises an error: it needs a compiled mmcv."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*_args: Any, **_kwargs: Any) -> NoReturn:
            raise RuntimeError(
                f'mmcv operator {name!r} needs a compiled mmcv, but mmcv-lite is installed: '
                'pip uninstall mmcv-lite, then build mmcv>=2.0,<2.2 from source with MMCV_WITH_OPS=1'
            )

        return missing


def _nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Greedy non-maximum suppression.

    Args:
        dets: Boxes, N x 4 (x1, y1, x2, y2).
        scores: N scores.
        iou_threshold: A box is removed if its IoU with a kept box is above this value.

    Returns:
        The indices of the kept boxes, highest score first.
    """
    import torch

    left_top, right_bottom = dets[:, :2], dets[:, 2:]
    area = (right_bottom - left_top).prod(1)
    order = scores.argsort(descending=True, stable=True)
    keep = []
    while order.numel():
        best, rest = order[0], order[1:]
        keep.append(best)
        overlap = torch.minimum(right_bottom[best], right_bottom[rest]) - torch.maximum(left_top[best], left_top[rest])
        shared = overlap.clamp(min=0).prod(1)
        order = rest[shared / (area[best] + area[rest] - shared) <= iou_threshold]
    return torch.stack(keep) if keep else order
