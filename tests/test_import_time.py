"""Time and modules of importing the package."""

import ast
import json
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


# The modules import one another in this order, so the time up to a module is the time of importing it alone.
MODULES = ('rainrestore', 'torch', 'rainrestore.physics', 'rainrestore.registry', 'rainrestore.models',
           'rainrestore.apis', 'rainrestore.web.views')  # fmt: skip
IMPORT_ALL = f"""
import importlib, json, sys, time
start, found = time.process_time(), {{}}
for module in {MODULES!r}:
    importlib.import_module(module)
    found[module] = time.process_time() - start, [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps(found))
"""


@pytest.fixture(scope='module')
def imported() -> list[dict[str, tuple[float, list[str]]]]:
    """Module -> processor time up to its import, and the heavy packages loaded so far; in three new interpreters.

    The first one also compiles the modules and reads them from the disk.
    """
    return [json.loads(run_python(IMPORT_ALL)) for _ in range(3)]


@pytest.mark.parametrize('module', MODULES)
def test_import_loads_no_slow_packages(imported, module):
    assert imported[-1][module][1] == []


def test_import_time_is_small_relative_to_torch(imported):
    """The minimum of two runs. Other work of the machine only increases the processor time, and not that of both."""
    seconds = {module: min(run[module][0] for run in imported[1:]) for module in MODULES}
    package = seconds['rainrestore']
    torch = seconds['torch'] - package
    # `rainrestore restore` imports apis; more in tools/benchmarks/benchmark_startup.py.
    assert package < torch / 20
    assert seconds['rainrestore.physics'] < 1.5 * torch
    assert seconds['rainrestore.apis'] < 1.5 * torch


def test_checkpoints_module_imports_no_higher_package():
    imported = 'print([name for name in sys.modules if name.startswith("rainrestore.")])'
    # The bundled parser, by its name in the zoo.
    parser = 'from rainrestore.evaluation.restored_parsing import RestoredParsingMIoU; RestoredParsingMIoU()'
    first, later = run_python(f'import sys, rainrestore.checkpoints; {imported}; {parser}; {imported}').splitlines()
    rooms = {'arguments', 'startup', 'checkpoints', 'compat', 'errors', 'files', 'registry', 'suggest', 'torch_files'}
    assert set(ast.literal_eval(first)) == {f'rainrestore.{room}' for room in rooms}
    assert 'rainrestore.evaluation' in later and 'rainrestore.engine' not in later


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
