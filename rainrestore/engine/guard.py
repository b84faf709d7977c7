"""A hook that keeps infinite and NaN values out of weights and checkpoints."""

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rainrestore.engine.run_state import SKIPPED, non_finite_tensor
from rainrestore.errors import NonFiniteError
from rainrestore.registry import HOOKS

_NAMES_SHOWN = 64


def batch_files(data_batch: Any) -> list[str]:
    """The files (or else the names) of the samples of a batch; empty if the samples have neither."""
    samples = data_batch.get('data_samples') if isinstance(data_batch, Mapping) else None
    known = [getattr(sample, 'metainfo', {}) for sample in samples or ()]
    found = (info.get('gt_path') or info.get('img_path') or info.get('name') for info in known)
    return [str(file) for file in found if file]


def non_finite(values: Mapping[str, Any]) -> dict[str, float]:
    """The infinite or NaN losses among the logged scalars of a training step (names with ``loss``)."""
    losses = {key: torch.as_tensor(value).item() for key, value in values.items() if 'loss' in key}
    return {key: value for key, value in losses.items() if not math.isfinite(value)}


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stop a training if a loss is infinite or NaN, before a checkpoint is saved.

    The error names the iteration, the losses and the files of the batch. If it happens in one of several processes, all
    processes stop or skip the batch. Weights and moments are checked before each save, too, because a gradient may be
    infinite although the loss is finite.

    Args:
        skip: Greatest number of batches to skip before the training stops. Model and optimisers are restored to their
            state before the batch; the iteration counts. With a value above 0, each iteration copies this state.

    Raises:
        NonFiniteError: A loss or a weight is infinite or NaN.
    """

    # Runs before mmengine's hooks, so that they do not average, log or save the bad losses.
    priority = 'VERY_HIGH'

    def __init__(self, skip: int = 0) -> None:
        if skip < 0:
            raise ValueError(f'FiniteLossHook: skip must be 0 or more batches, got {skip}')
        self.skip = skip
        self._before: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._files: list[str] = []

    def before_train(self, runner: Runner) -> None:
        """Reset the count of skipped batches, except in a resumed run."""
        if runner.iter == 0:
            runner.message_hub.update_info(SKIPPED, 0)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Copy the state, to restore it if the batch is skipped."""
        self._files = batch_files(data_batch)
        if self.skip:
            self._before = copy.deepcopy((runner.model.state_dict(), runner.optim_wrapper.state_dict()))

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Check the losses."""
        bad = self._gathered(non_finite(outputs or {}))
        if not bad:
            return
        losses = ', '.join(f'{key} = {value}' for key, value in bad.items())
        skipped = runner.message_hub.get_info(SKIPPED, 0)
        if self._before is not None and skipped < self.skip:
            runner.message_hub.update_info(SKIPPED, skipped + 1)
            runner.model.load_state_dict(self._before[0])
            runner.optim_wrapper.load_state_dict(self._before[1])
            for key in bad:
                (outputs or {}).pop(key, None)
            runner.logger.warning(
                'iteration %d: %s: batch skipped, %d of %d; %s',
                runner.iter + 1, losses, skipped + 1, self.skip, self._batch(),
            )  # fmt: skip
            return
        limit = f' after {skipped} skipped batches' if skipped else ''
        raise NonFiniteError(
            f'iteration {runner.iter + 1}: {losses}{limit}; {self._batch()}. This iteration was not saved: lower the '
            'learning rate or repair the files, and continue with --resume'
        )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check weights and moments."""
        bad = non_finite_tensor(checkpoint)
        if bad is not None:
            raise NonFiniteError(
                f'{bad} is infinite or NaN and is not saved; {self._batch()}. The previous checkpoint is kept: lower '
                'the learning rate, and continue with --resume'
            )

    def _gathered(self, bad: dict[str, float]) -> dict[str, float]:
        """The bad losses of all processes. If there are any, the files of the batch are gathered, too."""
        count = torch.tensor(len(bad))
        all_reduce(count, 'max')
        if not count:
            return {}
        gathered = all_gather_object((bad, self._files))
        self._files = [file for _, files in gathered for file in files]
        return {key: value for losses, _ in gathered for key, value in losses.items()}

    def _batch(self) -> str:
        more = len(self._files) - _NAMES_SHOWN
        listed = ', '.join(self._files[:_NAMES_SHOWN]) + (f' and {more} more' if more > 0 else '')
        return f'last batch: {listed or "(samples without names)"}'
