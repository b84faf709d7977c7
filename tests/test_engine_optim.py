"""Optimiser groups and mixed precision."""

import pytest
import torch
from mmengine.registry import OPTIMIZERS  # noqa: F401  (registers torch's optimisers)
from torch import nn

from rainrestore.engine.optim import AutocastOptimWrapper, SlotOptimWrapperConstructor

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


def test_group_without_parameters_is_left_out() -> None:
    groups = dict(a=dict(ADAM, slots=['first', 'second']), b=dict(ADAM, slots=['third']))
    assert set(SlotOptimWrapperConstructor(groups)(Pair()).keys()) == {'a'}


def test_forgotten_and_doubled_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match=r'2 parameters, second\.weight first, are in no group'):
        SlotOptimWrapperConstructor(dict(a=dict(ADAM, slots=['first'])))(Pair())
    with pytest.raises(ValueError, match='is in two groups'):
        SlotOptimWrapperConstructor(dict(a=dict(ADAM, slots=['first']), b=dict(ADAM, slots=['first', 'second'])))(
            Pair()
        )
    with pytest.raises(ValueError, match='paramwise_cfg'):
        SlotOptimWrapperConstructor({}, paramwise_cfg={})


@pytest.mark.parametrize(('enabled', 'dtype'), [(True, torch.bfloat16), (False, torch.float32)])
def test_autocast_on_a_cpu(enabled: bool, dtype: torch.dtype) -> None:
    model = nn.Linear(4, 4)
    wrapper = AutocastOptimWrapper(enabled, optimizer=torch.optim.Adam(model.parameters()))
    with wrapper.optim_context(model):
        output = model(torch.ones(1, 4))
    assert output.dtype == dtype
    before = model.weight.detach().clone()
    wrapper.update_params(output.float().sum())
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, before)
