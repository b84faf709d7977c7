"""Optimiser groups and mixed precision."""

from pathlib import Path
from time import perf_counter

import pytest
import torch
from mmengine.optim import CosineAnnealingLR
from mmengine.registry import OPTIMIZERS  # noqa: F401  (registers torch's optimisers)
from torch import nn

from rainrestore.device import has_bfloat16
from rainrestore.engine import optim
from rainrestore.engine.optim import AutocastOptimWrapper, SlotOptimWrapperConstructor
from rainrestore.errors import ConfigError

ADAM = dict(optimizer=dict(type='Adam', lr=1e-3))


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)


def test_each_group_gets_its_own_slots() -> None:
    model = Pair()
    wrappers = SlotOptimWrapperConstructor(
        dict(a=dict(ADAM, slots=['first']), b=dict(ADAM, slots=['second', 'third']))
    )(model)
    found = {name: {id(p) for g in w.optimizer.param_groups for p in g['params']} for name, w in wrappers.items()}
    assert found == {'a': {id(p) for p in model.first.parameters()}, 'b': {id(p) for p in model.second.parameters()}}


def test_slots_of_a_group_can_have_different_learning_rates() -> None:
    """The factor scales a step of SGD. A schedule that ends at a ratio keeps the factors."""
    model = Pair()
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    group = dict(slots=dict(third=2.0, first=1.0, second=0.1), optimizer=dict(type='SGD', lr=0.5))
    wrapper = SlotOptimWrapperConstructor(dict(a=group))(model)['a']
    wrapper.update_params(sum(parameter.sum() for parameter in model.parameters()))
    moved = {key: before[key] - value.detach() for key, value in model.named_parameters()}
    for key, step in moved.items():
        wanted = 0.5 if key.startswith('first') else 0.05
        torch.testing.assert_close(step, torch.full_like(step, wanted))
    schedule = CosineAnnealingLR(wrapper, T_max=4, by_epoch=False, eta_min_ratio=0.05)
    for _ in range(4):
        schedule.step()
    assert wrapper.get_lr()['lr'] == pytest.approx([0.5 * 0.05, 0.05 * 0.05])


def test_factors_need_a_learning_rate() -> None:
    group = dict(slots=dict(first=1.0, second=0.1), optimizer=dict(type='Adam'))
    with pytest.raises(ValueError, match='a: slots with factors need an lr'):
        SlotOptimWrapperConstructor(dict(a=group))(Pair())


def test_group_without_parameters_is_skipped() -> None:
    groups = dict(a=dict(ADAM, slots=['first', 'second']), b=dict(ADAM, slots=['third']))
    assert set(SlotOptimWrapperConstructor(groups)(Pair()).keys()) == {'a'}


def test_missing_and_repeated_parameters_are_refused() -> None:
    with pytest.raises(ConfigError, match=r'2 parameters \(first: second\.weight\) are in no group'):
        SlotOptimWrapperConstructor(dict(a=dict(ADAM, slots=['first'])))(Pair())
    with pytest.raises(ValueError, match='is in two groups'):
        SlotOptimWrapperConstructor(dict(a=dict(ADAM, slots=['first']), b=dict(ADAM, slots=['first', 'second'])))(
            Pair()
        )
    with pytest.raises(ValueError, match='paramwise_cfg'):
        SlotOptimWrapperConstructor({}, paramwise_cfg={})


@pytest.mark.parametrize(
    ('enabled', 'supported', 'dtype'),
    [
        (True, False, torch.bfloat16),
        (False, True, torch.float32),
        (None, True, torch.bfloat16),
        (None, False, torch.float32),
    ],
)
def test_autocast_on_a_cpu_selects_the_precision(
    enabled: bool | None, supported: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optim, 'has_bfloat16', lambda device: supported)
    model = nn.Linear(4, 4)
    wrapper = AutocastOptimWrapper(enabled, optimizer=torch.optim.Adam(model.parameters()))
    with wrapper.optim_context(model):
        output = model(torch.ones(1, 4))
    assert output.dtype == dtype
    before = model.weight.detach().clone()
    wrapper.update_params(output.float().sum())
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, before)


@pytest.mark.parametrize(
    ('machine', 'instructions', 'vendor', 'expected'),
    [
        ('x86_64', {'mkldnn', 'amx', 'avx512_bf16'}, 'GenuineIntel', True),
        ('x86_64', {'mkldnn', 'avx512_bf16'}, 'AuthenticAMD', True),
        ('x86_64', {'mkldnn', 'avx512_bf16'}, 'GenuineIntel', False),
        ('AMD64', {'mkldnn'}, 'AuthenticAMD', False),
        ('x86_64', set(), 'AuthenticAMD', False),
        ('aarch64', {'mkldnn'}, '', True),
        ('arm64', set(), '', False),
    ],
)
def test_processors_with_fast_bfloat16_are_recognised(
    machine: str, instructions: set[str], vendor: str, expected: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The processors of docs/results/performance.md and similar processors, on Linux and other systems."""
    monkeypatch.setattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', lambda: 'mkldnn' in instructions)
    monkeypatch.setattr(torch.cpu, '_is_amx_tile_supported', lambda: 'amx' in instructions)
    monkeypatch.setattr(torch.cpu, '_is_avx512_bf16_supported', lambda: 'avx512_bf16' in instructions)
    monkeypatch.setattr('platform.machine', lambda: machine)
    monkeypatch.setattr('platform.processor', lambda: f'Family 25 Model 97, {vendor}')
    cpuinfo = tmp_path / 'cpuinfo'
    monkeypatch.setattr('rainrestore.device.CPUINFO', cpuinfo)
    assert has_bfloat16(torch.device('cpu')) == expected
    cpuinfo.write_text(f'processor\t: 0\nvendor_id\t: {vendor}\n')
    assert has_bfloat16(torch.device('cpu')) == expected
    assert has_bfloat16(torch.device('cuda'))


def test_bfloat16_is_chosen_only_if_a_convolution_is_fast_in_it() -> None:
    """Compares the choice for this processor with a measurement. Without oneDNN, bfloat16 takes 200 times as long."""
    layer, image = nn.Conv2d(32, 32, 3, padding=1), torch.rand(2, 32, 64, 64)

    def seconds(enabled: bool) -> float:
        times = []
        for _ in range(7):
            start = perf_counter()
            with torch.autocast('cpu', torch.bfloat16, enabled=enabled), torch.no_grad():
                layer(image)
            times.append(perf_counter() - start)
        return min(times)

    assert not has_bfloat16(torch.device('cpu')) or seconds(True) < 10 * seconds(False)
