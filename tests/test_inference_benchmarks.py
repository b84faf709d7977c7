"""The benchmarks of inference and start-up run and report correct values."""

import importlib.util
import json
import subprocess
import sys

import pytest
from documents import ROOT
from mmengine.registry import DefaultScope

from rainrestore.zoo.index import read_index

pytestmark = pytest.mark.slow


def run(script: str, *words: str) -> tuple[str, dict]:
    command = [sys.executable, '-W', 'ignore', f'tools/benchmarks/{script}.py', '--rounds', '1', *words]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=3000).stdout
    return output, json.loads(output.splitlines()[-1])


def test_inference_benchmark_reports_time_and_memory():
    pytest.importorskip('mmagic')
    words = ('--batch', '2', '--batches', '1', '--sides', '32', '--paths', 'restorer', 'mmagic_batched')
    output, result = run('benchmark_inference', *words)
    assert list(result['faces_per_s']) == ['eager', 'mmagic', 'mmagic_batched', 'restorer']
    assert result['times']['eager']['eager'] == result['times']['mmagic']['mmagic'] == 1
    # in addition to the memory of the process before its first forward pass
    assert all(0 < peak < 1000 for peak in result['peak_mib'].values())
    assert list(result['ms_a_face']) == ['batch 1', 'side 32']
    assert output.count('| `restorer` |') == 2


def test_mmagic_srgan_has_the_size_of_the_bundled_network(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip('mmagic')
    # mmagic's inferencer sets the default scope of the process, also for all later tests
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    from torch.utils.flop_counter import FlopCounterMode

    monkeypatch.syspath_prepend(ROOT / 'tools/benchmarks')
    specification = importlib.util.spec_from_file_location('script', ROOT / 'tools/benchmarks/benchmark_inference.py')
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    macs = script.measure_cost(script.build_restorer(*script.find_model('fcg_gan_x4', None)), 32, 32).macs
    with FlopCounterMode(display=False) as counter:
        script.mmagic_inferencer('cpu').model.generator(script.torch.rand(1, 3, 32, 32))
    assert counter.get_total_flops() / 2 == pytest.approx(macs, rel=0.05)


def test_startup_benchmark_reports_every_part():
    output, result = run('benchmark_startup')
    assert 0 < result['imports_times_torch'] < 3
    assert all(seconds > 0 for seconds in result['parts'].values())
    # The parts of the timed command are those of the command, except the clock.
    assert 'forward' in result['parts'] and '| write |' in output


def test_zoo_measures_each_recommended_model():
    output, result = run('benchmark_zoo', '--threads', '1')
    assert set(result) == {entry['Name'] for entry in read_index()['Models'] if 'Use' in entry}
    assert all(milliseconds > 0 for milliseconds in result.values()) and '| 1.00 |' in output
