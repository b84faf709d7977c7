"""The differences between a checkpoint and the networks, moving averages and optimisers of a run."""

import functools
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import torch
from mmengine.hooks import EMAHook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor

from rainrestore.checkpoints import described, same_dtype_kind
from rainrestore.engine.processes import bare

#: Options of an optimiser that determine which moments it has.
_KEEP_MOMENTS = ('amsgrad', 'centered')
#: torch's optimisers that a step with a dense gradient and without a closure cannot test.
_UNTRIED = (torch.optim.LBFGS, torch.optim.SparseAdam)


def differences(checkpoint: Mapping[str, Any], runner: Runner) -> Iterator[str]:
    """Describe the differences between a checkpoint and the networks, moving averages and optimisers of a run."""
    model = bare(runner.model)
    stored = {name.removeprefix('module.'): value for name, value in checkpoint['state_dict'].items()}
    yield from _tensor_differences(stored, model.state_dict(), 'weight ')
    averages = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    if 'ema_state_dict' in checkpoint:
        average = checkpoint['ema_state_dict']
        if not averages:
            yield 'it contains a moving average (ema_state_dict), but the config has no EMAHook'
        elif not isinstance(average, dict):
            yield f'its ema_state_dict is {described(average)}'
        else:
            yield from _tensor_differences(average, averages[0].ema_model.state_dict(), 'moving average of ')
    if 'optimizer' in checkpoint:
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        yield from _optimizer_differences(checkpoint['optimizer'], runner.optim_wrapper, names)


def _tensor_differences(stored: Mapping[str, Any], own: Mapping[str, Any], what: str) -> Iterator[str]:
    for name, value in own.items():
        if name not in stored:
            yield f'{what}{name} is missing'
        elif isinstance(value, Tensor) and not isinstance(stored[name], Tensor):
            yield f'{what}{name} is {described(stored[name])}'
        elif isinstance(value, Tensor) and stored[name].shape != value.shape:
            yield f'{what}{name} is {_shape(stored[name])} instead of {_shape(value)}'
        elif isinstance(value, Tensor) and not same_dtype_kind(stored[name], value):
            yield f'{what}{name} is {stored[name].dtype} instead of {value.dtype}'
    yield from (f'{what}{name} is not in the model' for name in stored if name not in own)


def _shape(tensor: Tensor) -> str:
    return ' x '.join(map(str, tensor.shape)) or 'a single value'


def _optimizer_differences(stored: Any, wrapper: Any, names: Mapping[int, str]) -> Iterator[str]:
    if not isinstance(stored, dict):
        yield f'its optimizer is {described(stored)}'
        return
    if isinstance(wrapper, OptimWrapperDict):
        if set(stored) != set(wrapper.keys()):
            yield f'its optimizers are {_listed(stored)} instead of {_listed(wrapper.keys())}'
            return
        for name, part in wrapper.items():
            yield from _one_optimizer(stored[name], part.optimizer, names, f'optimizer {name}')
    else:
        yield from _one_optimizer(stored, wrapper.optimizer, names, 'optimizer')


def _listed(names: Any) -> str:
    return ', '.join(sorted(map(str, names))[:5]) or 'none'


def _one_optimizer(stored: Any, optimizer: torch.optim.Optimizer, names: Mapping[int, str], what: str) -> Iterator[str]:
    groups = stored.get('param_groups') if isinstance(stored, dict) else None
    state = stored.get('state') if isinstance(stored, dict) else None
    if not isinstance(state, dict) or not isinstance(groups, list) or not all(isinstance(one, dict) for one in groups):
        yield f'its {what} is not the state of an optimizer'
        return
    if len(groups) != len(optimizer.param_groups):
        yield f'{what} has {len(groups)} groups of parameters instead of {len(optimizer.param_groups)}'
        return
    places: dict[Any, tuple[Tensor, int]] = {}
    for number, (group, own) in enumerate(zip(groups, optimizer.param_groups, strict=True)):
        yield from _group_differences(group, own, f'{what}, group {number}', type(optimizer).__name__)
        numbers = group.get('params')
        if not isinstance(numbers, list) or len(numbers) != len(own['params']):
            found = len(numbers) if isinstance(numbers, list) else 'no list of'
            yield f'{what}, group {number}: {found} parameters instead of {len(own["params"])}'
            return
        for place, parameter in zip(numbers, own['params'], strict=True):
            places[str(place)] = parameter, number
    expected = functools.cache(functools.partial(_torch_moments, optimizer))
    for place, moments in state.items():
        if str(place) not in places or not isinstance(moments, dict):
            yield f'{what}: there is no parameter for the state {place!r}'
            continue
        parameter, number = places[str(place)]
        name = names.get(id(parameter), f'parameter {place}')
        known = expected(number, parameter.dim(), parameter.dtype, parameter.device)
        # torch's SGD starts a momentum that is missing or None.
        if moments and not isinstance(optimizer, torch.optim.SGD):
            yield from (f'{what}: {key} of {name} is missing' for key in known if moments.get(key) is None)
        for key, value in moments.items():
            if not _is_moment_of(value, parameter, known.get(key)):
                shown = _shape(value) if isinstance(value, Tensor) else described(value)
                wanted = 'a single value' if known.get(key) == () else _shape(parameter)
                yield f'{what}: {key} of {name} is {shown} instead of {wanted}'
            elif isinstance(value, Tensor) and value.numel() > 1 and not same_dtype_kind(value, parameter):
                yield f'{what}: {key} of {name} is {value.dtype} instead of {parameter.dtype}'


def _torch_moments(
    optimizer: torch.optim.Optimizer, number: int, dim: int, dtype: torch.dtype, device: torch.device
) -> dict[str, tuple[bool, ...]]:
    """The moments of one of torch's optimisers after the first step; an empty dict for any other optimiser.

    Args:
        optimizer: The optimiser of the run.
        number: Number of the group of parameters.
        dim: Number of dimensions of the parameter.
        dtype: Its type.
        device: Its device.

    Returns:
        Name -> for each dimension, whether the moment has the size of the parameter instead of 1. An empty tuple is a
        single value.
    """
    if not type(optimizer).__module__.startswith('torch.optim') or isinstance(optimizer, _UNTRIED):
        return {}
    trial = torch.zeros(tuple(range(2, 2 + dim)), dtype=dtype, device=device).requires_grad_()
    trial.grad = torch.zeros_like(trial)
    build: Any = type(optimizer)
    one = build([{**optimizer.param_groups[number], 'params': [trial]}])
    one.step()
    return {
        key: tuple(side > 1 for side in value.shape) if isinstance(value, Tensor) and value.numel() > 1 else ()
        for key, value in one.state[trial].items()
        if value is not None
    }


def _is_moment_of(value: Any, parameter: Tensor, sides: tuple[bool, ...] | None) -> bool:
    """Whether ``value`` is the moment of a parameter.

    Args:
        value: The stored value.
        parameter: The parameter.
        sides: The moment's shape by :func:`_torch_moments`. If None, a number or a tensor of the parameter's shape,
            also with sides of 1, is accepted.
    """
    if not isinstance(value, Tensor):
        return value is None or (isinstance(value, Real) and not sides)
    if not sides and (value.numel() == 1 or sides is not None):
        return value.numel() == 1
    return value.dim() == parameter.dim() and all(
        side == own or (side == 1 and not (sides and sides[place]))
        for place, (side, own) in enumerate(zip(value.shape, parameter.shape, strict=True))
    )


def _group_differences(stored: Mapping[str, Any], own: Mapping[str, Any], what: str, kind: str) -> Iterator[str]:
    strange = [key for key in stored if key not in own and not str(key).startswith('initial_')]
    if strange:
        yield f'{what}: {kind} has no option {strange[0]}'
    for key in _KEEP_MOMENTS:
        if key in own and key in stored and bool(stored[key]) != bool(own[key]):
            yield f'{what}: {key} is {stored[key]!r} instead of {own[key]!r}'
    for key, value in own.items():
        if key not in stored:
            # A schedule changes this option, so the value of the config does not replace it.
            if f'initial_{key}' in own:
                yield f'{what}: {key} is missing'
        elif isinstance(value, Real) and not _is_single(stored[key]):
            yield f'{what}: {key} is {stored[key]!r}, not a number'


def _is_single(value: Any) -> bool:
    return value.numel() == 1 if isinstance(value, Tensor) else isinstance(value, Real)
