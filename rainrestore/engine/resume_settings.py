"""Settings of optimisers and schedules that replace those of a checkpoint when a run resumes."""

import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from mmengine.optim import _ParamScheduler
from mmengine.optim.scheduler.param_scheduler import ReduceOnPlateauParamScheduler
from mmengine.runner import Runner
from torch import Tensor

from rainrestore.engine.optim import named_wrappers
from rainrestore.engine.run_state import optimizer_states


def apply_optimizer_settings(checkpoint: dict[str, Any], runner: Runner) -> list[str]:
    """Replace the stored options of the optimisers by the options of the config; returns descriptions of the changes.

    :func:`apply_schedules` handles options that a schedule changes, such as ``lr``.
    """
    changes = []
    for what, stored, own in _groups(checkpoint, runner):
        moved = {key.removeprefix('initial_') for key in own if key.startswith('initial_')}
        moved |= {f'initial_{key}' for key in moved} | {'params'}
        for key, value in own.items():
            if key not in moved and key in stored and _plain(stored[key]) != _plain(value):
                changes.append(f'{what}: {key} {_short(stored[key])} -> {_short(value)}')
            if key not in moved:
                stored[key] = value
    return changes


def _groups(checkpoint: Mapping[str, Any], runner: Runner) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """For each parameter group of the optimisers: its name, the stored group, and the group of the run."""
    own_parts = named_wrappers(runner.optim_wrapper)
    for what, state in optimizer_states(checkpoint.get('optimizer')):
        part, groups = own_parts[what], list(state['param_groups'])
        if isinstance(state.get('base_param_settings'), dict):
            groups.append(state['base_param_settings'])
        # With several groups, mmengine appends its base settings as a further group without parameters.
        several = len(part.param_groups) > 1
        for number, (group, own) in enumerate(zip(groups, part.param_groups, strict=False)):
            yield f'{what}, group {number}' if several else what, group, own


def apply_schedules(checkpoint: dict[str, Any], runner: Runner) -> list[str]:
    """Replace the stored schedules by the schedules of the config, in their initial state, if they differ.

    :func:`replay` then steps them to the current iteration.

    Returns:
        Descriptions of the differences.
    """
    own, stored = _named(runner.param_schedulers), _named(checkpoint.get('param_schedulers'))
    changes = [f'{name} is new' for name in own if name not in stored]
    changes += [f'{name} was removed' for name in stored if name not in own]
    for name, scheduler in own.items():
        if name in stored:
            changes += [f'{name}: {change}' for change in _schedule_differences(stored[name], scheduler)]
    if not changes:
        return []
    # mmengine loads the stored states in turn; without any, the schedules keep their initial state.
    parts = runner.param_schedulers
    checkpoint['param_schedulers'] = dict.fromkeys(parts, ()) if isinstance(parts, dict) else ()
    for _, group, settings in _groups(checkpoint, runner):
        for key in [key for key in group if str(key).startswith('initial_')]:
            del group[key]
        group.update({key: value for key, value in settings.items() if key != 'params'})
    return changes


def _named(schedules: Any) -> dict[str, Any]:
    """The schedules of a run, or their stored states, by name.

    Args:
        schedules: A list of schedules, or a dict of optimiser name -> list.
    """
    parts = schedules if isinstance(schedules, dict) else {'': schedules}
    return {
        f'param_scheduler {name}{"." * bool(name)}{number}': one
        for name, part in parts.items()
        if isinstance(part, list)
        for number, one in enumerate(part)
    }


def _schedule_differences(stored: Any, scheduler: _ParamScheduler) -> list[str]:
    own = scheduler.state_dict()
    if not isinstance(stored, dict) or stored.keys() != own.keys():
        return [f'now a {type(scheduler).__name__}']
    # The arguments of the class are the settings of the config. Other entries change with the steps.
    settings = {name for kind in type(scheduler).__mro__ for name in inspect.signature(kind).parameters}
    settings = (settings | {'base_values'}) - {'last_step', 'verbose'}
    changes = [
        f'{key} {_short(stored[key])} -> {_short(value)}'
        for key, value in own.items()
        if key in settings and _plain(stored[key]) != _plain(value)
    ]
    if not changes and not all(_same_kind(stored[key], value) for key, value in own.items()):
        return ['its stored state is damaged']
    return changes


def _same_kind(stored: Any, own: Any) -> bool:
    if isinstance(own, Real):
        return isinstance(stored, (Real, np.number))
    if isinstance(own, Sequence) and not isinstance(own, str):
        return isinstance(stored, Sequence) and len(stored) == len(own) and all(map(_same_kind, stored, own))
    return isinstance(stored, type(own))


def replay(runner: Runner) -> None:
    """Step the schedules from their initial state to the iteration of the run.

    A schedule that depends on validations keeps its initial state.
    """
    steps = [
        one for one in _named(runner.param_schedulers).values() if not isinstance(one, ReduceOnPlateauParamScheduler)
    ]
    with warnings.catch_warnings():
        # torch warns that the optimiser does not step in between.
        warnings.simplefilter('ignore')
        for done, by_epoch in ((runner.iter, False), (runner.epoch, True)):
            for _ in range(done):
                for scheduler in steps:
                    if scheduler.by_epoch == by_epoch:
                        scheduler.step()


def _plain(value: Any) -> Any:
    """Convert tensors and tuples to lists, to compare values of a config and of a file."""
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f'{value:g}'
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(map(_short, value[:3]))}{", ..." if len(value) > 3 else ""}]'
    return str(value)[:60]
