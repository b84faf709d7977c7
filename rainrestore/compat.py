"""Corrections of the OpenMMLab stack for current torch and numpy; all of them are in this file.

``import rainrestore`` calls :func:`apply`, which registers import hooks and imports nothing. Each patch runs just
before the module that needs it is imported for the first time, and does nothing where the breakage is absent. In a
script of your own, import rainrestore before mmagic, mmcv or torchvision.
"""

import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

# A torch.library.Library takes its operators with it when it is collected, so the one made below has to live on.
_kept_libraries: list[Any] = []


def apply() -> None:
    """Make mmagic, mmcv-lite, torchvision and mmengine usable together; calling it again changes nothing."""
    if any(isinstance(finder, _PatchBeforeImport) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _PatchBeforeImport())
    # Last, so that a compiled mmcv._ext is always found first.
    sys.meta_path.append(_MMCVOpsFinder())
    for module, patch in _PATCHES.items():
        if module in sys.modules:
            patch()


def numpy_bool8() -> None:
    """Give numpy its old name ``bool8`` back.

    Breaks: ``mmagic/utils/trans_utils.py`` reads ``np.bool8`` at import; numpy 2.0 removed it.
    Unnecessary with: numpy < 2, or an mmagic after 1.2.0 (no such release so far).
    """
    import numpy as np

    if np.lib.NumpyVersion(np.__version__) >= '2.0.0':
        np.bool8 = np.bool_  # type: ignore[attr-defined]


def mmagic_initialisation() -> None:
    """Let mmagic's pix2pix networks be initialised inside another model.

    Breaks: ``generation_init_weights`` reports every module that mmengine watches, activations and containers too, and
    stops at ``init_info``, which it sets for convolutions and normalisations alone. mmagic's own models call it before
    mmengine watches; as a slot of another model it is called after.
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
    """Declare ``torchvision::nms`` where torchvision's own operators do not load, with a plain implementation on CPU.

    Breaks: the torchvision of the package index links to CUDA, so beside a CPU-only torch its ``_C.so`` does not load,
    and ``torchvision/_meta_registrations.py`` then fails on an operator that nobody declared.
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
    """Whether the installed torchvision has compiled operators that cannot be loaded beside the installed torch."""
    import torch

    # Not find_spec('torchvision'): that would ask the hook that calls this function.
    spec = importlib.machinery.PathFinder.find_spec('torchvision')
    if spec is None or spec.origin is None:
        return False
    # The name ends differently on Windows. No such file at all is a torchvision built without operators.
    operators = sorted(Path(spec.origin).parent.glob('_C*.so')) + sorted(Path(spec.origin).parent.glob('_C*.pyd'))
    try:
        for file in operators:
            torch.ops.load_library(file)
    except OSError:
        return True
    return not operators


def torchvision_nms() -> None:
    """Let ``torchvision.ops.nms`` through to the implementation that :func:`torchvision_operators` declared.

    Breaks: ``torchvision.ops`` refuses every operator when ``_C.so`` did not load, without asking whether it exists.
    Unnecessary with: the same releases as :func:`torchvision_operators`.
    """
    if _kept_libraries:
        extension: Any = sys.modules['torchvision.extension']
        extension._assert_has_ops = _nothing


def mmengine_checkpoint_types() -> None:
    """Allow the harmless types that mmengine stores in a checkpoint beside the weights.

    Breaks: mmengine <= 0.10.7 calls ``torch.load`` without saying ``weights_only``; since torch 2.6 that means True,
    and ``Runner.resume`` fails on the ``HistoryBuffer`` and the numpy scalars of the message hub.
    Unnecessary with: torch < 2.6, or onedl-mmengine 0.10.12, the maintained fork under the same import name.
    """
    from importlib import metadata

    try:
        metadata.version('mmengine')
    except metadata.PackageNotFoundError:
        return  # the fork alone, which is onedl-mmengine to pip
    import torch

    torch.serialization.add_safe_globals(checkpoint_types())


@cache
def checkpoint_types() -> list[Any]:
    """Types that a checkpoint may contain beside tensors and plain Python values: mmengine's log values, numpy arrays.

    For ``torch.serialization``. The fork of mmengine allows all of ``getattr``, and through it a file reaches any code.
    """
    import pickle

    import numpy as np
    from mmengine.logging.history_buffer import HistoryBuffer

    def method_of_history_buffer(owner: object, name: str) -> object:
        # A HistoryBuffer pickles its statistics as getattr(HistoryBuffer, 'mean'). The real getattr would let any file
        # reach any attribute of the allowed types, so only this use of it is let through.
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
    # Looked for once model_utils is there, and before any network has taken the function from it.
    'mmagic.models.utils.sampling_utils': mmagic_initialisation,
    'torchvision': torchvision_operators,
    # torchvision.extension is imported before torchvision.ops, and the latter copies the function to be replaced.
    'torchvision.ops': torchvision_nms,
    'mmengine.runner.checkpoint': mmengine_checkpoint_types,
}


class _PatchBeforeImport(MetaPathFinder):
    """Runs the patch of a module when Python looks for it, and leaves the finding to the finders after it."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        patch = _PATCHES.get(fullname)
        if patch is not None:
            patch()


class _MMCVOpsFinder(MetaPathFinder, Loader):
    """Stands in for the compiled ``mmcv._ext`` that mmcv-lite lacks.

    Breaks: ``mmagic.models`` imports ``mmcv.ops`` unconditionally, and that needs ``mmcv._ext``.
    Unnecessary with: a compiled mmcv 2.0 or 2.1, whose own ``_ext`` is found first.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == 'mmcv._ext' else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _MissingOps(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the stand-in answers for every name by itself."""


class _MissingOps(ModuleType):
    """A module in which every name is an operator that says, when called, that mmcv has to be compiled."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*_args: Any, **_kwargs: Any) -> NoReturn:
            raise RuntimeError(
                f'mmcv operator {name!r} needs a compiled mmcv, and mmcv-lite is installed: '
                'pip uninstall mmcv-lite, then build mmcv>=2.0,<2.2 from source with MMCV_WITH_OPS=1'
            )

        return missing


def _nothing() -> None:
    """Take the place of a check that has become wrong."""


def _nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Greedy non-maximum suppression: indices of the kept boxes (N, 4; x1 y1 x2 y2), highest score first."""
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
