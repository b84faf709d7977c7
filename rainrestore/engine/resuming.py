"""Compare a checkpoint with the run before the run resumes from it or loads its weights.

A file may belong to another network or library, or come from an untrusted source. mmengine would load the weights of
one network and the moments of another network without an error.
"""

import copy
import inspect
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapperDict, _ParamScheduler
from mmengine.optim.scheduler.param_scheduler import ReduceOnPlateauParamScheduler
from mmengine.runner import Runner
from torch import Tensor, nn

from rainrestore.checkpoints import (
    LEAST_SHARE,
    described,
    fitting_weights,
    placed,
    same_dtype_kind,
    unwrapped,
    without_values,
)
from rainrestore.config_files import check_same_config
from rainrestore.errors import CheckpointError
from rainrestore.registry import HOOKS
from rainrestore.rules import is_count

#: Keys of the loop and of FiniteLossHook in the message hub, which is part of every checkpoint.
STREAM, VALIDATED, SKIPPED = 'data_stream', 'validated_iter', 'skipped_batches'
_HUB_PARTS = ('log_scalars', 'runtime_info', 'resumed_keys')
_BEST = re.compile(r'best_[^/\\]+\.pth')
#: Options of an optimiser that determine which moments it has.
_KEEP_MOMENTS = ('amsgrad', 'centered')
#: Options of an optimiser that has moments if one of them is set.
_NEED_MOMENTS = ('betas', 'momentum')


@HOOKS.register_module()
class CompareCheckpointHook(Hook):
    """Compare a checkpoint with the run before it is loaded.

    ``--resume``: the file must contain the complete state of a run of the same network and optimisers, without infinite
    or NaN values. If settings (learning rate, weight decay, schedule) differ between config and checkpoint, the run
    uses the settings of the config, and the log lists them. File names in the checkpoint are accepted only for
    checkpoints in the folder of this run, and only if the checkpoint itself is in this folder.

    ``load_from``: weights of other libraries are unwrapped. The log has the number of loaded tensors. The run stops if
    too few tensors fit.

    :class:`~rainrestore.engine.ResumableTrainLoop` registers this hook.

    Args:
        least: Least fraction of the tensors of a ``load_from`` file that must fit the model, 0 to 1.

    Raises:
        CheckpointError: The file does not fit; nothing was loaded.
    """

    # Runs before EMAHook, whose after_load_checkpoint loads a part of the checkpoint.
    priority = 'HIGHEST'

    def __init__(self, least: float = LEAST_SHARE) -> None:
        self.least = least
        self._replay = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: Any) -> None:
        """Compare the checkpoint, before mmengine loads it."""
        source = str(runner._load_from or 'the checkpoint')
        if runner._resume:
            self._replay = resume_checked(checkpoint, runner, source)
        else:
            start_from(checkpoint, runner, source, self.least)

    def before_train(self, runner: Runner) -> None:
        """Step the schedules to the current iteration, if the config has changed them."""
        if self._replay:
            self._replay = False
            replay(runner)


def resume_checked(checkpoint: Any, runner: Runner, source: str) -> bool:
    """Check that this run can resume from a checkpoint, and replace its file names and settings.

    Args:
        checkpoint: The content of the file; changed in place.
        runner: The run, with its networks and optimisers built.
        source: The file, for messages.

    Returns:
        Whether the schedules must be replayed (:func:`replay`).

    Raises:
        CheckpointError: The checkpoint is not the complete state of a run, belongs to another network or optimiser, or
            has infinite or NaN values.
    """
    check_is_run(checkpoint, source)
    # The default name of a run contains the name of the config, a user-defined name does not.
    if runner.cfg.filename and not runner.cfg.get('experiment_name'):
        check_same_config(str(checkpoint['meta'].get('experiment_name', '')), runner.experiment_name)
    if 'optimizer' not in checkpoint and _saves_optimizer(runner):
        raise _no_run(source, 'it contains no state of the optimizer, like every best_*.pth')
    if _lost_moments(checkpoint, runner):
        raise _no_run(source, f'its optimizer has no moments after {checkpoint["meta"]["iter"]} iterations')
    problems = list(differences(checkpoint, runner))
    if problems:
        more = f', and {len(problems) - 1} more' if len(problems) > 1 else ''
        raise CheckpointError(
            f'cannot resume from {source}, it belongs to another config: {problems[0]}{more}. Use the config of its '
            f'training; to start a new training from its weights, use --cfg-options load_from={source}'
        )
    bad = non_finite_tensor(checkpoint)
    if bad is not None:
        raise CheckpointError(f'cannot resume from {source}: {bad} is infinite or NaN. Use an earlier checkpoint')
    confine_files(checkpoint['message_hub'], runner, source)
    changes = apply_optimizer_settings(checkpoint, runner)
    scheduled = apply_schedules(checkpoint, runner)
    if changes or scheduled:
        runner.logger.warning(
            'resume: settings of the config replace those of the checkpoint: %s', '; '.join(changes + scheduled)
        )
    return bool(scheduled)


def check_is_run(checkpoint: Any, source: object) -> None:
    """Check that a file is a checkpoint of a training.

    Raises:
        CheckpointError: A part is missing or invalid. The message names it.
    """
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get('state_dict'), dict):
        raise _no_run(source, f'it contains {described(checkpoint)} without state_dict')
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in checkpoint['state_dict'].items()):
        raise _no_run(source, 'its state_dict contains entries that are not tensors')
    meta, hub = checkpoint.get('meta'), checkpoint.get('message_hub')
    if not isinstance(meta, dict):
        raise _no_run(source, 'it contains weights without meta (iteration and epoch)')
    for key in ('iter', 'epoch'):
        if not is_count(meta.get(key)):
            raise _no_run(source, f'its meta.{key} is {meta.get(key)!r}, not a count')
    seed = meta.get('seed')
    if seed is not None and not (is_count(seed) and seed < 2**32):
        raise _no_run(source, f'its meta.seed is {seed!r}, not a count below 2**32')
    if not isinstance(hub, dict):
        raise _no_run(source, 'it has no message_hub')
    for part in _HUB_PARTS:
        if not isinstance(hub.get(part), dict):
            raise _no_run(source, f'its message_hub has no {part}')
    _check_hub(hub, source)
    if (problem := without_values(_all_tensors(checkpoint))) is not None:
        raise _no_run(source, f'its {problem}')
    for name, optimizer in _optimizers(checkpoint.get('optimizer')):
        if (problem := _moment_problem(optimizer)) is not None:
            raise _no_run(source, f'its {name} {problem}')


def _optimizers(stored: Any) -> Iterator[tuple[str, dict[str, Any]]]:
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
    optimiser that factors only the moments of matrices.
    """
    groups = {
        str(place): number
        for number, group in enumerate(part['param_groups'])
        if isinstance(group, dict) and isinstance(group.get('params'), list)
        for place in group['params']
    }
    entries = {place: moments for place, moments in part['state'].items() if isinstance(moments, dict) and moments}
    kinds = dict.fromkeys((groups.get(str(place)), tuple(moments)) for place, moments in entries.items())
    for place, moments in entries.items():
        for group, keys in kinds:
            if group == groups.get(str(place)) and moments.keys() < set(keys):
                return f'lacks {next(key for key in keys if key not in moments)} of parameter {place}'
        step = moments.get('step')
        if isinstance(step, Tensor) and step.numel() == 1:
            step = step.item()
        if isinstance(step, (int, float)) and not 0 <= step < math.inf:
            return f'has the step {step} of parameter {place}'
    return None


def _lost_moments(checkpoint: Mapping[str, Any], runner: Runner) -> bool:
    """Whether no optimiser in a checkpoint has moments, although they have stepped.

    One optimiser of several may start later than the others. A loss scaler skips the first steps.
    """
    parts = [part for _, part in _optimizers(checkpoint.get('optimizer'))]
    groups = [group for part in parts for group in part['param_groups'] if isinstance(group, dict)]
    if any(part['state'] or 'loss_scaler' in part for part in parts) or not any(
        group.get(key) for group in groups for key in _NEED_MOMENTS
    ):
        return False
    wrapper = runner.optim_wrapper
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    done = checkpoint['meta']['iter'] - (checkpoint['message_hub']['runtime_info'].get(SKIPPED) or 0)
    return done >= max((one._accumulative_counts for one in wrappers), default=1)


def _check_hub(hub: dict[str, Any], source: object) -> None:
    info = hub['runtime_info']
    stream = info.get(STREAM)
    if stream is not None and not (
        isinstance(stream, dict) and stream.keys() == {'seed', 'drawn'} and all(map(is_count, stream.values()))
    ):
        raise _no_run(source, f'its position in the data is {stream!r}')
    for key in (VALIDATED, SKIPPED):
        if info.get(key) is not None and not is_count(info[key]):
            raise _no_run(source, f'its {key} is {info[key]!r}, not a count')
    for key, value in info.items():
        if str(key).startswith('best_score') and not isinstance(value, (Real, np.number)):
            raise _no_run(source, f'its {key} is {value!r}, not a number')
    for key, value in hub['log_scalars'].items():
        if not isinstance(value, HistoryBuffer) or not _is_history(value):
            raise _no_run(source, f'its log of {key!r} is damaged')


def _is_history(buffer: HistoryBuffer) -> bool:
    arrays = [vars(buffer).get(name) for name in ('_log_history', '_count_history')]
    return all(isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in 'fiu' for array in arrays)


def _no_run(source: object, why: str) -> CheckpointError:
    return CheckpointError(
        f'cannot resume from {source}: {why}. Resume from an iter_*.pth of the work dir; to start a new training from '
        f'the weights of a file, use --cfg-options load_from={source}'
    )


def _saves_optimizer(runner: Runner) -> bool:
    return all(hook.save_optimizer for hook in runner.hooks if isinstance(hook, CheckpointHook))


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
    places: dict[Any, Tensor] = {}
    for number, (group, own) in enumerate(zip(groups, optimizer.param_groups, strict=True)):
        yield from _group_differences(group, own, f'{what}, group {number}', type(optimizer).__name__)
        numbers = group.get('params')
        if not isinstance(numbers, list) or len(numbers) != len(own['params']):
            found = len(numbers) if isinstance(numbers, list) else 'no list of'
            yield f'{what}, group {number}: {found} parameters instead of {len(own["params"])}'
            return
        places.update(zip(map(str, numbers), own['params'], strict=True))
    for place, moments in state.items():
        if str(place) not in places or not isinstance(moments, dict):
            yield f'{what}: there is no parameter for the state {place!r}'
            continue
        parameter = places[str(place)]
        for key, value in moments.items():
            if not _is_moment_of(value, parameter):
                shown = _shape(value) if isinstance(value, Tensor) else described(value)
                name = names.get(id(parameter), f'parameter {place}')
                yield f'{what}: {key} of {name} is {shown} instead of {_shape(parameter)}'
            elif isinstance(value, Tensor) and value.numel() > 1 and not same_dtype_kind(value, parameter):
                name = names.get(id(parameter), f'parameter {place}')
                yield f'{what}: {key} of {name} is {value.dtype} instead of {parameter.dtype}'


def _is_moment_of(value: Any, parameter: Tensor) -> bool:
    """Whether ``value`` is a number or a tensor of the parameter's shape; factored moments may have sides of 1."""
    if not isinstance(value, Tensor):
        return value is None or isinstance(value, Real)
    if value.numel() == 1:
        return True
    return value.dim() == parameter.dim() and all(
        side in (1, own) for side, own in zip(value.shape, parameter.shape, strict=True)
    )


def _group_differences(stored: Mapping[str, Any], own: Mapping[str, Any], what: str, kind: str) -> Iterator[str]:
    strange = [key for key in stored if key not in own and not str(key).startswith('initial_')]
    if strange:
        yield f'{what}: {kind} has no option {strange[0]}'
    for key in _KEEP_MOMENTS:
        if key in own and key in stored and bool(stored[key]) != bool(own[key]):
            yield f'{what}: {key} is {stored[key]!r} instead of {own[key]!r}'
    for key, value in own.items():
        if isinstance(value, Real) and key in stored and not isinstance(stored[key], (Real, Tensor)):
            yield f'{what}: {key} is {stored[key]!r}, not a number'


def non_finite_tensor(checkpoint: Mapping[str, Any]) -> str | None:
    """Description of the first infinite or NaN tensor among weights, moving averages and moments, or None."""
    for name, value in _all_tensors(checkpoint):
        if (value.is_floating_point() or value.is_complex()) and not bool(torch.isfinite(value).all()):
            return name
    return None


def _all_tensors(checkpoint: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The weights, moving averages and moments of a checkpoint, with their descriptions."""
    for part, what in (('state_dict', 'weight'), ('ema_state_dict', 'moving average'), ('optimizer', 'optimizer')):
        for name, value in _tensors(checkpoint.get(part, {}), ''):
            yield f'{what} {name}', value


def _tensors(content: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _tensors(value, f'{name}.{key}' if name else str(key))


def confine_files(hub: dict[str, Any], runner: Runner, source: str) -> None:
    """Remove file names from a checkpoint, except for checkpoints in the folder of this run.

    The run later deletes the files with these names: the oldest checkpoint if there are too many, the best checkpoint
    if there is a better one. A checkpoint from another folder contains names of files in that folder.

    Args:
        hub: The state of the message hub; changed in place.
        runner: The run.
        source: Path of the checkpoint.
    """
    info = hub['runtime_info']
    listed = {key: info.pop(key) for key in list(info) if _names_files(key)}
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            folder = checkpoint_folder(hook, runner)
            if Path(source).resolve().parent != folder.resolve():
                continue
            for key, value in listed.items():
                if key == 'keep_ckpt_ids' and isinstance(value, list):
                    info[key] = [
                        step
                        for step in value
                        if is_count(step) and (folder / hook.filename_tmpl.format(step)).is_file()
                    ]
                elif str(key).startswith('best_ckpt') and isinstance(value, str):
                    name = re.split(r'[/\\]', value)[-1]
                    if _BEST.fullmatch(name) and (folder / name).is_file():
                        info[key] = str(folder / name)
    for key in listed.keys() - info.keys():
        hub['resumed_keys'].pop(key, None)


def _names_files(key: object) -> bool:
    return key in ('last_ckpt', 'keep_ckpt_ids') or str(key).startswith('best_ckpt')


def checkpoint_folder(hook: CheckpointHook, runner: Runner) -> Path:
    """The folder of the checkpoints of a hook: the work dir, or the folder of the same name in ``out_dir``."""
    if hook.out_dir is None or hook.out_dir == runner.work_dir:
        return Path(runner.work_dir)
    return Path(hook.out_dir, Path(runner.work_dir).name)


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
    if 'optimizer' not in checkpoint:
        return
    wrapper, stored = runner.optim_wrapper, checkpoint['optimizer']
    pairs = (
        [(f'optimizer {name}', stored[name], part) for name, part in wrapper.items()]
        if isinstance(wrapper, OptimWrapperDict)
        else [('optimizer', stored, wrapper)]
    )
    for what, state, part in pairs:
        groups = list(state['param_groups'])
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
    if runner.param_schedulers is not None:
        checkpoint['param_schedulers'] = (
            {name: [copy.deepcopy(one.state_dict()) for one in part] for name, part in runner.param_schedulers.items()}
            if isinstance(runner.param_schedulers, dict)
            else [copy.deepcopy(one.state_dict()) for one in runner.param_schedulers]
        )
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


def start_from(checkpoint: Any, runner: Runner, source: str, least: float) -> None:
    """Reduce a checkpoint to weights with the names of the model, and log how many tensors the file had.

    Args:
        checkpoint: The content of the file; changed in place.
        runner: The run.
        source: The file, for messages.
        least: Least fraction of the tensors of the file that must fit, 0 to 1.

    Raises:
        CheckpointError: Too few tensors fit, or a tensor has infinite or NaN values.
    """
    own = bare(runner.model).state_dict()
    state = placed(unwrapped(checkpoint, source)['state_dict'], own, source)
    try:
        fitting = fitting_weights(state, own, source, least)
    except CheckpointError as error:
        raise CheckpointError(
            f'load_from: {error}; to load only the tensors that fit, use --cfg-options train_cfg.min_loaded=0'
        ) from error
    bad = non_finite_tensor({'state_dict': fitting})
    if bad is not None:
        raise CheckpointError(f'load_from: {source}: {bad} is infinite or NaN')
    slots: dict[str, int] = {}
    for name in own.keys() - fitting.keys():
        slots[name.partition('.')[0]] = slots.get(name.partition('.')[0], 0) + 1
    rest = ', '.join(f'{slot} ({count})' for slot, count in sorted(slots.items()))
    counts = f'{len(fitting)} of the {len(own)} tensors of the model loaded, of {len(state)} in {source}'
    if rest or len(fitting) < len(state):
        runner.logger.warning('load_from: %s; not loaded, initialised by the config: %s', counts, rest or 'none')
    else:
        runner.logger.info('load_from: %s', counts)
    checkpoint.clear()
    # Add the other weights of the model; otherwise mmengine logs every missing name.
    checkpoint['state_dict'] = {**own, **fitting}


def bare(model: nn.Module) -> nn.Module:
    """The model without the wrapper of a distributed run."""
    inner = getattr(model, 'module', model)
    assert isinstance(inner, nn.Module)
    return inner
