"""The complete state of a run: the parts of a checkpoint that a run can resume from."""

import math
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from rainrestore.checkpoints import described, without_values
from rainrestore.errors import CheckpointError
from rainrestore.models.inspection import named_tensors
from rainrestore.rules import is_count

#: Keys of the loop and of FiniteLossHook in the message hub, which is part of every checkpoint.
STREAM, SIZE, VALIDATED, SKIPPED = 'data_stream', 'training_size', 'validated_iter', 'skipped_batches'
_HUB_PARTS = ('log_scalars', 'runtime_info', 'resumed_keys')


def check_is_run(checkpoint: Any, source: object) -> None:
    """Check that a file is a checkpoint of a training.

    Raises:
        CheckpointError: A part is missing or invalid. The message names it.
    """
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get('state_dict'), dict):
        raise no_run(source, f'it contains {described(checkpoint)} without state_dict')
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in checkpoint['state_dict'].items()):
        raise no_run(source, 'its state_dict contains entries that are not tensors')
    meta, hub = checkpoint.get('meta'), checkpoint.get('message_hub')
    if not isinstance(meta, dict):
        raise no_run(source, 'it contains weights without meta (iteration and epoch)')
    for key in ('iter', 'epoch'):
        if not is_count(meta.get(key)):
            raise no_run(source, f'its meta.{key} is {meta.get(key)!r}, not a count')
    seed = meta.get('seed')
    if seed is not None and not (is_count(seed) and seed < 2**32):
        raise no_run(source, f'its meta.seed is {seed!r}, not a count below 2**32')
    if not isinstance(hub, dict):
        raise no_run(source, 'it has no message_hub')
    for part in _HUB_PARTS:
        if not isinstance(hub.get(part), dict):
            raise no_run(source, f'its message_hub has no {part}')
    _check_hub(hub, source)
    if (problem := without_values(_all_tensors(checkpoint))) is not None:
        raise no_run(source, f'its {problem}')
    for name, optimizer in optimizer_states(checkpoint.get('optimizer')):
        if (problem := _moment_problem(optimizer)) is not None:
            raise no_run(source, f'its {name} {problem}')


def optimizer_states(stored: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The complete states of the optimisers in a checkpoint, with names for messages."""
    parts = stored if isinstance(stored, dict) else {}
    named = {'optimizer': parts} if 'param_groups' in parts else {f'optimizer {key}': parts[key] for key in parts}
    for name, part in named.items():
        state, groups = (part.get('state'), part.get('param_groups')) if isinstance(part, dict) else (None, None)
        if isinstance(state, dict) and isinstance(groups, list):
            yield name, part


def _moment_problem(part: Mapping[str, Any]) -> str | None:
    """Description of the first missing moment or invalid step of an optimiser, or None.

    A parameter lacks a moment if another parameter of its group has the same moments and more. This accepts an
    optimiser that factors only the moments of matrices. A moment, unlike a step, is a tensor if that of
    another parameter is one.
    """
    groups = {
        str(place): number
        for number, group in enumerate(part['param_groups'])
        if isinstance(group, dict) and isinstance(group.get('params'), list)
        for place in group['params']
    }
    entries = {
        place: {key: value for key, value in moments.items() if value is not None}
        for place, moments in part['state'].items()
        if isinstance(moments, dict) and moments
    }
    kinds = dict.fromkeys((groups.get(str(place)), tuple(moments)) for place, moments in entries.items())
    tensors = {key for moments in entries.values() for key in moments if isinstance(moments[key], Tensor)} - {'step'}
    for place, moments in entries.items():
        for group, keys in kinds:
            if group == groups.get(str(place)) and moments.keys() < set(keys):
                return f'lacks {next(key for key in keys if key not in moments)} of parameter {place}'
        for key in moments:
            if key in tensors and not isinstance(moments[key], Tensor):
                return f'has {described(moments[key])} as {key} of parameter {place}'
        step = moments.get('step')
        if isinstance(step, Tensor):
            step = step.item() if step.numel() == 1 else math.nan
        if isinstance(step, (int, float)) and not 0 <= step < math.inf:
            return f'has the step {step} of parameter {place}'
    return None


def _check_hub(hub: dict[str, Any], source: object) -> None:
    info = hub['runtime_info']
    for key, resumed in hub['resumed_keys'].items():
        if not isinstance(resumed, bool):
            raise no_run(source, f'its message_hub.resumed_keys has {described(resumed)} for {key!r}')
    stream = info.get(STREAM)
    if stream is not None and not (
        isinstance(stream, dict) and stream.keys() == {'seed', 'drawn'} and all(map(is_count, stream.values()))
    ):
        raise no_run(source, f'its position in the data is {stream!r}')
    for key in (SIZE, VALIDATED, SKIPPED):
        if info.get(key) is not None and not is_count(info[key]):
            raise no_run(source, f'its {key} is {info[key]!r}, not a count')
    for key, value in info.items():
        if str(key).startswith('best_score') and not isinstance(value, (Real, np.number)):
            raise no_run(source, f'its {key} is {value!r}, not a number')
    for key, value in hub['log_scalars'].items():
        if not isinstance(value, HistoryBuffer) or not _is_history(value):
            raise no_run(source, f'its log of {key!r} is damaged')


def _is_history(buffer: HistoryBuffer) -> bool:
    arrays = [vars(buffer).get(name) for name in ('_log_history', '_count_history')]
    return all(isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in 'fiu' for array in arrays)


def no_run(source: object, why: str) -> CheckpointError:
    return CheckpointError(
        f'cannot resume from {source}: {why}. Resume from an iter_*.pth of the work dir; to start a new training from '
        f'the weights of a file, use --cfg-options load_from={source}'
    )


def non_finite_tensor(checkpoint: Mapping[str, Any]) -> str | None:
    """Description of the first infinite or NaN tensor among weights, moving averages and moments, or None."""
    for name, value in _all_tensors(checkpoint):
        if (value.is_floating_point() or value.is_complex()) and not bool(torch.isfinite(value).all()):
            return name
    return None


def _all_tensors(checkpoint: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The weights, moving averages and moments of a checkpoint, with their descriptions."""
    for part, what in (('state_dict', 'weight'), ('ema_state_dict', 'moving average'), ('optimizer', 'optimizer')):
        for name, value in named_tensors(checkpoint.get(part, {})).items():
            yield f'{what} {name}', value
