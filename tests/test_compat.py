"""compat.py: each patch applies only to releases that need it."""

import importlib.metadata
import importlib.util
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel

from rainrestore import compat

ROOT = Path(__file__).resolve().parents[1]


def run_python(program: str, *arguments: str) -> str:
    """The output of a program in a new interpreter, because imports and operators cannot be undone."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', program, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def last_line_with(package: str, program: str) -> str:
    """The last line of a program that patches and imports ``package``; its name if it is missing."""
    body = textwrap.indent(program, '    ')
    program = f'try:\n{body}\nexcept ModuleNotFoundError as error:\n    print(error.name)'
    return run_python(program).strip().splitlines()[-1]


def if_installed(package: str, wanted: str) -> str:
    """In a core installation, no package is patched, and Python reports the missing package."""
    return package if importlib.util.find_spec(package) is None else wanted


def test_import_of_the_package_adds_the_hooks_once_without_slow_imports():
    program = """
import sys
import rainrestore
print([name for name in ('numpy', 'torch', 'mmengine') if name in sys.modules])
finders = list(sys.meta_path)
rainrestore.compat.apply()
print(sys.meta_path == finders)
"""
    assert run_python(program).split() == ['[]', 'True']


def test_torchvision_imports_and_suppresses_boxes():
    program = """
import rainrestore
import torch, torchvision
boxes = torch.tensor([[0., 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
print(torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist())
"""
    assert last_line_with('torchvision', program) == if_installed('torchvision', '[1, 2]')


def test_torchvision_imported_before_apply_is_not_changed():
    program = """
import sys, types
from rainrestore import compat
hooks = compat._PatchBeforeImport, compat._MMCVOpsFinder
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, hooks)]
sys.modules['torchvision'] = types.ModuleType('torchvision')
compat.torchvision_is_broken = lambda: False
compat.apply()
print(compat._kept_libraries)
"""
    assert run_python(program).strip() == '[]'


def test_mmagic_imports_and_absent_mmcv_operators_name_the_remedy():
    program = """
import rainrestore
import mmagic.models, mmagic.evaluation, mmagic.datasets.transforms
import numpy, mmcv._ext
print(numpy.bool8 is numpy.bool_)
"""
    assert last_line_with('mmagic', program) == if_installed('mmagic', 'True')


def test_mmagic_network_inside_another_model_is_initialised() -> None:
    pytest.importorskip('mmagic')
    from mmagic.models.archs import PatchDiscriminator

    class Model(BaseModel):
        def __init__(self) -> None:
            super().__init__()
            self.discriminator = PatchDiscriminator(3, base_channels=32, init_cfg=dict(type='normal', gain=0.05))

        def forward(self) -> None:
            pass

    model = Model()
    model.init_weights()
    weight = model.discriminator.model[2].conv.weight
    assert weight.std().item() == pytest.approx(0.05, abs=5e-4)
    assert model.discriminator.is_init and not hasattr(weight, '_params_init_info')


def test_compiled_mmcv_extension_is_found_before_the_substitute(tmp_path):
    program = """
import sys
sys.path.insert(0, sys.argv[1])
import rainrestore
import mmcv._ext
print(mmcv._ext.compiled)
"""
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').touch()
    (tmp_path / 'mmcv' / '_ext.py').write_text('compiled = "yes"')
    assert run_python(program, str(tmp_path)).strip() == 'yes'


def test_substitute_for_mmcv_ops_replaces_no_other_module():
    finder = compat._MMCVOpsFinder()
    assert finder.find_spec('mmcv', None) is None
    assert finder.find_spec('mmcv.ops', None) is None
    spec = finder.find_spec('mmcv._ext', None)
    module = importlib.util.module_from_spec(spec)
    assert not hasattr(module, '__path__')
    with pytest.raises(RuntimeError, match=r"'upfirdn2d' needs a compiled mmcv.*MMCV_WITH_OPS"):
        module.upfirdn2d(1, axis=2)


def greedy_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    """Non-maximum suppression by its definition, one pair at a time."""

    def iou(a, b):
        width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
        height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
        area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
        return width * height / (sum(area) - width * height)

    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize('threshold', [0.1, 0.5, 0.9])
def test_nms_equals_its_definition(threshold):
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 50, (60, 2))
    boxes = np.hstack([corner, corner + rng.uniform(5, 30, (60, 2))])
    scores = rng.permutation(60) / 60
    found = compat._nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
    assert found.tolist() == greedy_nms(boxes, scores, threshold)


def test_nms_of_no_boxes_is_empty():
    assert compat._nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []


@pytest.fixture
def safe_globals():
    """Removes all further types that torch.load admits, and restores them after the test."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(before)


@pytest.fixture
def upstream_mmengine(monkeypatch):
    """Make pip's records state that upstream mmengine 0.10.7 is installed."""
    monkeypatch.setattr(importlib.metadata, 'version', {'mmengine': '0.10.7'}.__getitem__)


def message_hub_state() -> dict:
    buffer = HistoryBuffer()
    buffer.update(0.5)
    return {'loss': buffer, 'lr': np.float64(1e-4), 'iter': np.int64(7), 'seen': np.arange(3, dtype=np.float32)}


def test_checkpoint_of_mmengine_is_read_with_weights_only(tmp_path, safe_globals, upstream_mmengine):
    torch.save(message_hub_state(), tmp_path / 'hub.pth')
    with pytest.raises(pickle.UnpicklingError, match='Unsupported'):
        torch.load(tmp_path / 'hub.pth', weights_only=True)
    compat.mmengine_checkpoint_types()
    read = torch.load(tmp_path / 'hub.pth', weights_only=True)
    assert read['loss'].current() == 0.5
    assert (read['lr'], read['iter'], read['seen'].tolist()) == (1e-4, 7, [0, 1, 2])


class LooksUp:
    """Pickles as a call of getattr, the usual beginning of an attack on the loader."""

    def __init__(self, owner: object, name: str) -> None:
        self.call = (owner, name)

    def __reduce__(self):
        return getattr, self.call


@pytest.mark.parametrize('owner, name', [(np.ndarray, 'tofile'), (np.dtype, 'newbyteorder')])
def test_checkpoint_cannot_access_other_attributes(tmp_path, safe_globals, upstream_mmengine, owner, name):
    torch.save(LooksUp(owner, name), tmp_path / 'attack.pth')
    compat.mmengine_checkpoint_types()
    with pytest.raises(pickle.UnpicklingError, match='refused to look up'):
        torch.load(tmp_path / 'attack.pth', weights_only=True)


def test_fork_of_mmengine_needs_no_further_types(monkeypatch, safe_globals):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, 'version', version)
    compat.mmengine_checkpoint_types()
    assert torch.serialization.get_safe_globals() == []


@pytest.mark.slow
def test_runner_resumes_from_its_checkpoint(tmp_path):
    program = """
import sys
import rainrestore
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner

class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
    def forward(self, inputs, mode='loss'):
        return {'loss': self.layer(inputs).square().mean()}

def train(iterations, resume):
    data = torch.utils.data.DataLoader([{'inputs': torch.ones(2)}] * 8, batch_size=2)
    runner = Runner(
        Line(), sys.argv[1], resume=resume, experiment_name=f'run{iterations}', log_level='ERROR',
        train_dataloader=data, train_cfg={'by_epoch': False, 'max_iters': iterations},
        optim_wrapper={'optimizer': {'type': 'Adam', 'lr': 1e-3}},
        param_scheduler={'type': 'MultiStepLR', 'milestones': [2], 'by_epoch': False},
        default_hooks={'checkpoint': {'type': 'CheckpointHook', 'by_epoch': False, 'interval': 2}},
    )
    runner.train()
    return runner.message_hub.get_scalar('train/loss').data[0].size, runner.iter

print(train(4, False), train(6, True))
"""
    assert run_python(program, str(tmp_path)).strip().splitlines()[-1] == '(4, 4) (6, 6)'
