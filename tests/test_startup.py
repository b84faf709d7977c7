"""The classes that the import of mmengine skips are available at first use, and are the originals."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SLOW = ('transformers', 'sympy', 'torch.distributed.fsdp', 'torch.distributed.optim')


def run_python(program: str) -> str:
    """Run in a new interpreter, because an imported module cannot be deferred."""
    command = [sys.executable, '-W', 'ignore', '-c', program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300).stdout


def test_slow_packages_are_imported_at_first_use():
    program = f"""
import sys
import rainrestore.apis
assert not [name for name in {SLOW!r} if name in sys.modules]

import torch
from mmengine.model import MMFullyShardedDataParallel, is_model_wrapper
from mmengine.registry import MODEL_WRAPPERS, OPTIMIZERS, STRATEGIES
from mmengine._strategy import DDPStrategy, FSDPStrategy
assert MODEL_WRAPPERS.get('MMFullyShardedDataParallel') is MMFullyShardedDataParallel
assert not is_model_wrapper(torch.nn.Linear(1, 1))
assert not isinstance(3, FSDPStrategy)
assert 'torch.distributed.fsdp' not in sys.modules

try:
    class Mine(MMFullyShardedDataParallel):
        pass
except TypeError as error:
    assert 'import mmengine.model before rainrestore' in str(error)

torch.distributed.init_process_group('gloo', store=torch.distributed.HashStore(), rank=0, world_size=1)
from mmengine.optim import ZeroRedundancyOptimizer
weights = [torch.nn.Parameter(torch.ones(2))]
optimizer = OPTIMIZERS.build(dict(type='ZeroRedundancyOptimizer', params=weights, optimizer_type='SGD', lr=0.5))
weights[0].sum().backward()
optimizer.step()
assert weights[0].tolist() == [0.5, 0.5]
assert isinstance(optimizer, torch.distributed.optim.ZeroRedundancyOptimizer)
try:
    MODEL_WRAPPERS.build(dict(type='MMFullyShardedDataParallel', module=torch.nn.Linear(1, 1)))
except RuntimeError as error:
    assert 'FSDP needs a non-CPU accelerator' in str(error)
wrapper = MODEL_WRAPPERS.get('MMFullyShardedDataParallel')
assert issubclass(wrapper, torch.distributed.fsdp.FullyShardedDataParallel)
assert is_model_wrapper(wrapper.__new__(wrapper)) and not is_model_wrapper(torch.nn.Linear(1, 1))
torch.distributed.destroy_process_group()
print('done')
"""
    assert run_python(program).endswith('done\n')


def test_adafactor_is_the_class_of_transformers():
    """It is missing in a core installation, which has no transformers."""
    program = """
import importlib.util
import sys
import rainrestore
from mmengine.registry import OPTIMIZERS
import mmengine.optim
import torch
assert 'transformers' not in sys.modules
if importlib.util.find_spec('transformers') is None:
    assert 'Adafactor' not in OPTIMIZERS
else:
    optimizer = OPTIMIZERS.build(dict(type='Adafactor', params=[torch.nn.Parameter(torch.ones(2))]))
    import transformers
    assert type(optimizer) is transformers.Adafactor and len(vars(transformers)) > 20
print('done')
"""
    assert run_python(program).endswith('done\n')


def test_imported_modules_are_not_replaced():
    program = """
import mmengine.optim
real = mmengine.optim.ZeroRedundancyOptimizer
import rainrestore.apis
from mmengine.registry import OPTIMIZERS
assert OPTIMIZERS.get('ZeroRedundancyOptimizer') is real and isinstance(real, type)
print('done')
"""
    assert run_python(program).endswith('done\n')
