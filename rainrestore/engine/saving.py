"""Write checkpoints atomically, and find the checkpoint to resume from."""

import contextlib
import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from rainrestore.engine.processes import failing_together
from rainrestore.engine.run_state import check_is_run
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.registry import HOOKS
from rainrestore.suggest import did_you_mean
from rainrestore.torch_files import read_torch_file, sealed

POINTER = 'last_checkpoint'
PART = '.part'
_NUMBERED = re.compile(r'(?:iter|epoch)_(\d+)\.pth')


def write_whole(path: Path | str, content: bytes) -> None:
    """Write a file atomically: after a crash it has either ``content`` or the previous content.

    The content is written to ``PATH.part`` and synchronised with the disk (fsync). Then the file is renamed, and the
    folder is synchronised.

    Raises:
        CheckpointError: The file cannot be written, for example because the disk is full. The previous file is kept.
    """
    path = Path(path)
    part = path.with_name(path.name + PART)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        # Windows lacks this flag and cannot open folders.
        if hasattr(os, 'O_DIRECTORY'):
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        # A second error would hide the first.
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise CheckpointError(
            f'{path} could not be written ({error.strerror or error}); earlier checkpoints are kept: free disk space '
            'and continue with --resume'
        ) from error


class WholeFileBackend(LocalBackend):
    """mmengine's backend for the local disk, with :func:`write_whole` and the checksum of :func:`sealed`."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        write_whole(filepath, sealed(obj))


register_backend('rainrestore_whole_files', WholeFileBackend, force=True)


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook`` with atomic saves: at any time, a complete checkpoint is on the disk.

    A checkpoint is written to a temporary file and renamed when it is on the disk. Then ``last_checkpoint`` is replaced
    in the same way, and at last the oldest checkpoint is removed. The best checkpoint is replaced in the same way. In a
    distributed run the first process writes and the others wait; if it fails, all stop with the same error.

    Args:
        backend_args: Storage of the files, as in mmengine; None for the local disk with atomic writes.
        **kwargs: Arguments of mmengine's ``CheckpointHook``.
    """

    keep_ckpt_ids: deque[int]
    _saving = False

    def __init__(self, backend_args: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(backend_args=backend_args or {'backend': 'rainrestore_whole_files'}, **kwargs)

    def before_train(self, runner: Runner) -> None:
        """Remove the temporary files of killed runs."""
        super().before_train(runner)
        if is_main_process() and Path(self.out_dir).is_dir():
            for part in Path(self.out_dir).glob(f'*.pth{PART}'):
                part.unlink(missing_ok=True)

    def save(self, runner: Runner) -> str:
        """Save the current state, between two iterations, as the newest checkpoint; returns its path."""
        step = runner.epoch if self.by_epoch else runner.iter
        self._save_checkpoint_with_step(runner, step, {'epoch': runner.epoch, 'iter': runner.iter})
        return str(self.last_ckpt)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        outdated: list[int] = []
        if self.max_keep_ckpts > 0:
            steps = [*(kept for kept in self.keep_ckpt_ids if kept != step), step]
            outdated, steps = steps[: -self.max_keep_ckpts], steps[-self.max_keep_ckpts :]
            # The checkpoint contains the list of kept checkpoints after this save.
            runner.message_hub.update_info('keep_ckpt_ids', steps)
        name = self.filename_tmpl.format(step)
        path = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', path)
        with self._together():
            runner.save_checkpoint(
                self.out_dir,
                name,
                self.file_client_args,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                backend_args=self.backend_args,
                **self.args,
            )
            if is_main_process():
                write_whole(Path(runner.work_dir, POINTER), path.encode())
                for old in outdated:
                    self._remove(self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(old)))
        self.last_ckpt = path
        if self.max_keep_ckpts > 0:
            self.keep_ckpt_ids = deque(steps, self.max_keep_ckpts)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        if not self.save_best:
            return
        unknown = [key for key in self.key_indicators if key != 'auto' and key not in metrics]
        if unknown and metrics:
            near = did_you_mean(unknown[0], metrics)
            raise ConfigError(
                f'checkpoint.save_best: no metric {unknown[0]!r}{near}; the metrics are {", ".join(metrics)}'
            )
        # mmengine removes the old best checkpoint before it writes the new one. Hide the old path from it.
        single = len(self.key_indicators) == 1
        before = {'': self.best_ckpt_path} if single else dict(self.best_ckpt_path_dict)
        self._set_best(dict.fromkeys(before))
        with self._together():
            super()._save_best_checkpoint(runner, metrics)
        after = {'': self.best_ckpt_path} if single else dict(self.best_ckpt_path_dict)
        self._set_best({key: after[key] or before.get(key) for key in after})
        for key, old in before.items():
            if old and after.get(key) and old != after[key] and is_main_process():
                self._remove(old)

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        if self._saving:
            # A nested save: mmengine saves the newest checkpoint again together with the best.
            yield
            return
        self._saving = True
        try:
            with failing_together():
                yield
        finally:
            self._saving = False

    def _set_best(self, paths: dict[str, Any]) -> None:
        if '' in paths:
            self.best_ckpt_path = paths['']
        else:
            self.best_ckpt_path_dict = paths

    def _remove(self, path: str) -> None:
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)


def newest_checkpoint(work_dir: Path | str) -> str | None:
    """The newest complete checkpoint of a work dir, to resume from; None if there is none.

    This is the checkpoint in ``last_checkpoint``, unless a later checkpoint was written after ``last_checkpoint``.
    Damaged checkpoints are skipped with a warning. ``best_*.pth`` are ignored, because they contain no optimiser state.
    """
    pointer = Path(work_dir, POINTER)
    named: Path | None = None
    written = 0
    if pointer.is_file():
        named = Path(pointer.read_text(encoding='utf-8', errors='replace').strip())
        # If the work dir was copied or moved, use the checkpoint in the new folder.
        named = here if (here := Path(work_dir, named.name)).is_file() else named
        written = pointer.stat().st_mtime_ns
    folders = {Path(work_dir).resolve(), *([named.parent.resolve()] if named is not None else [])}
    found = {
        path: int(match[1])
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if (match := _NUMBERED.fullmatch(path.name)) and path.is_file()
    }
    pointed = named.resolve() if named is not None else None
    last = found.get(pointed, -1) if pointed is not None else -1

    def age(path: Path) -> tuple[bool, bool, int, int]:
        changed = path.stat().st_mtime_ns
        return found[path] > last and changed > written, path == pointed, changed, found[path]

    candidates = sorted(found, key=age, reverse=True)
    if pointed is not None and pointed not in found:
        _warn('%s refers to %s, which does not exist', pointer, named)
    for path in candidates:
        try:
            check_is_run(read_torch_file(path, 'cpu'), path)
        except CheckpointError as error:
            _warn('skipped: %s', error)
        else:
            return str(path)
    if candidates:
        _warn('%s: no complete checkpoint; the training starts from the beginning', work_dir)
    return None


def _warn(message: str, *values: object) -> None:
    MMLogger.get_current_instance().warning(message, *values)
