"""Time and modules of importing the package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

HEAVY = ('mmagic.models', 'diffusers', 'torchvision', 'mmcv', 'lpips', 'facexlib', 'matplotlib', 'transformers',
         'sympy', 'torch.distributed.fsdp', 'torch.distributed.optim', 'pandas', 'onnx', 'gradio', 'dlib',
         'facenet_pytorch',
         'av')  # fmt: skip


def run_python(program: str) -> str:
    command = [sys.executable, '-W', 'ignore', '-c', program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300).stdout


def seconds_to_import(*modules: str, rounds: int = 2) -> list[float]:
    """The minimum over new interpreters, without their start, module by module in turn. Other work of the machine
    only increases the processor time, and not that of all runs.
    """
    program = 'import time; start = time.process_time(); import {}; print(time.process_time() - start)'
    times = [[float(run_python(program.format(module))) for module in modules] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]


@pytest.mark.parametrize('module', [
    'rainrestore', 'rainrestore.physics', 'rainrestore.registry', 'rainrestore.models', 'rainrestore.apis',
    'rainrestore.web.views',
])  # fmt: skip
def test_import_loads_no_slow_packages(module):
    loaded = run_python(f'import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])')
    assert loaded.strip() == '[]'


def test_import_time_is_small_relative_to_torch():
    run_python('import torch, rainrestore.apis')  # one run in advance, so that compilation and a cold disk do not count
    # `rainrestore restore` imports apis; more in tools/benchmarks/benchmark_startup.py.
    torch, package, physics, apis = seconds_to_import('torch', 'rainrestore', 'rainrestore.physics', 'rainrestore.apis')
    assert package < torch / 20
    assert physics < 1.5 * torch
    assert apis < 1.5 * torch


def test_checkpoints_module_imports_no_higher_package():
    imported = 'print([name for name in sys.modules if name.startswith("rainrestore.")])'
    rooms = {'startup', 'checkpoints', 'compat', 'errors', 'files', 'registry', 'suggest', 'torch_files'}
    assert set(ast.literal_eval(run_python(f'import sys, rainrestore.checkpoints; {imported}'))) == {
        f'rainrestore.{room}' for room in rooms
    }
    # The bundled parser, by its name in the zoo.
    program = 'from rainrestore.evaluation.restored_parsing import RestoredParsingMIoU; RestoredParsingMIoU()'
    assert 'rainrestore.engine' not in run_python(f'import sys; {program}; {imported}')


def test_restoring_imports_mmagic_only_for_mmagic_networks():
    """Restoring does not build the mmagic losses and discriminators of fcg_gan_plus_x4 and pix2pix."""
    program = """
import sys
from rainrestore.apis.restorer import build_restorer, find_model
from rainrestore.checkpoints import is_training_only
from rainrestore.zoo.index import models

named, built = [], []
for name in models():
    config = find_model(name, None)[0]
    slots = config.model.to_dict()
    if any('mmagic' in str(part) for slot, part in slots.items() if not is_training_only(slot)):
        continue
    named += [name] * any('mmagic' in str(part) for part in slots.values())
    network = build_restorer(config, name, f'rainrestore://{name}')
    assert not [part for part, _ in network.named_children() if is_training_only(part)]
    built.append(name)
assert len(named) >= 2 and len(built) > 8, (named, built)
assert 'mmagic' not in sys.modules
"""
    run_python(program)
