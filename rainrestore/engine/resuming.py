"""Compare a checkpoint with the run before the run resumes from it or loads its weights.

A file may belong to another network or library, or come from an untrusted source. mmengine would load the weights of
one network and the moments of another network without an error.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

from rainrestore.checkpoints import LEAST_SHARE, fitting_weights, placed, unwrapped
from rainrestore.config_files import check_same_config
from rainrestore.engine.differences import differences
from rainrestore.engine.optim import single_wrappers
from rainrestore.engine.processes import bare
from rainrestore.engine.resume_settings import apply_optimizer_settings, apply_schedules, replay
from rainrestore.engine.run_state import SKIPPED, check_is_run, no_run, non_finite_tensor, optimizer_states
from rainrestore.errors import CheckpointError
from rainrestore.registry import HOOKS
from rainrestore.rules import is_count

_BEST = re.compile(r'best_[^/\\]+\.pth')
#: Entries of the message hub that name files: the last, the kept and the best checkpoints.
_FILES = ('last_ckpt', 'keep_ckpt_ids', 'best_ckpt')
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
    saves_optimizer = all(hook.save_optimizer for hook in runner.hooks if isinstance(hook, CheckpointHook))
    if 'optimizer' not in checkpoint and saves_optimizer:
        raise no_run(source, 'it contains no state of the optimizer, like every best_*.pth')
    if _lost_moments(checkpoint, runner):
        raise no_run(source, f'its optimizer has no moments after {checkpoint["meta"]["iter"]} iterations')
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


def _lost_moments(checkpoint: Mapping[str, Any], runner: Runner) -> bool:
    """Whether no optimiser in a checkpoint has moments, although they have stepped.

    One optimiser of several may start later than the others. A loss scaler skips the first steps.
    """
    parts = [part for _, part in optimizer_states(checkpoint.get('optimizer'))]
    groups = [group for part in parts for group in part['param_groups'] if isinstance(group, dict)]
    if any(part['state'] or 'loss_scaler' in part for part in parts) or not any(
        group.get(key) for group in groups for key in _NEED_MOMENTS
    ):
        return False
    done = checkpoint['meta']['iter'] - (checkpoint['message_hub']['runtime_info'].get(SKIPPED) or 0)
    return done >= max((one._accumulative_counts for one in single_wrappers(runner.optim_wrapper)), default=1)


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
    listed = {key: info.pop(key) for key in list(info) if str(key).startswith(_FILES)}
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


def checkpoint_folder(hook: CheckpointHook, runner: Runner) -> Path:
    """The folder of the checkpoints of a hook: the work dir, or the folder of the same name in ``out_dir``."""
    if hook.out_dir is None or hook.out_dir == runner.work_dir:
        return Path(runner.work_dir)
    return Path(hook.out_dir, Path(runner.work_dir).name)


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
    slots = Counter(name.partition('.')[0] for name in own.keys() - fitting.keys())
    rest = ', '.join(f'{slot} ({count})' for slot, count in sorted(slots.items()))
    counts = f'{len(fitting)} of the {len(own)} tensors of the model loaded, of {len(state)} in {source}'
    if rest or len(fitting) < len(state):
        runner.logger.warning('load_from: %s; not loaded, initialised by the config: %s', counts, rest or 'none')
    else:
        runner.logger.info('load_from: %s', counts)
    checkpoint.clear()
    # Add the other weights of the model; otherwise mmengine logs every missing name.
    checkpoint['state_dict'] = {**own, **fitting}
