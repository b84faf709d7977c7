"""Save a checkpoint and end the training on Ctrl-C or SIGTERM."""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rainrestore.engine.saving import WholeCheckpointHook
from rainrestore.registry import HOOKS

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@HOOKS.register_module()
class StopSignalHook(Hook):
    """On SIGINT (Ctrl-C) or SIGTERM (pre-emption), finish the iteration, save a checkpoint and end the training.

    A validation in progress is finished first. A second signal ends the process immediately, as without this hook. The
    workers of the data loader ignore both signals, because the training still needs them and a terminal or a cluster
    sends a signal to all processes. In a distributed run, all processes stop after the same iteration if any of them
    receives a signal.

    Needs :class:`~rainrestore.engine.ResumableTrainLoop`, and for the checkpoint a
    :class:`~rainrestore.engine.WholeCheckpointHook`.
    """

    # Last, so that it saves after all other hooks.
    priority = 'LOWEST'

    def __init__(self) -> None:
        #: The signal that ended the training.
        self.stopped_by: signal.Signals | None = None
        self._received: signal.Signals | None = None
        self._handlers: dict[signal.Signals, Any] = {}
        #: The processes that ran when the signals were blocked; None while they are not blocked.
        self._others: set[Any] | None = None
        self._workers: set[Any] = set()

    def before_train(self, runner: Runner) -> None:
        """Install the signal handlers, in the main thread only, because Python allows no other thread."""
        self.stopped_by = self._received = self._others = None
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._receive) for number in SIGNALS}
        if not hasattr(signal, 'pthread_sigmask'):
            for loop in (runner.train_loop, runner.val_loop):
                loader = getattr(loop, 'dataloader', None)
                if loader is not None:
                    loader.worker_init_fn = partial(ignore_signals, loader.worker_init_fn)
        self._block()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Unblock signals: the workers of the training or the validation have started."""
        self._unblock()

    before_val_iter = before_train_iter

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Stop the training if a signal was received."""
        self._stop_if_received(runner)

    def before_val(self, runner: Runner) -> None:
        """Block signals until the workers of the validation have started."""
        self._block()

    def after_val(self, runner: Runner) -> None:
        """Stop the training if a signal was received."""
        self._unblock()
        self._stop_if_received(runner)

    def after_train(self, runner: Runner) -> None:
        """Save a checkpoint."""
        if self.stopped_by is None:
            return
        saved = [hook.save(runner) for hook in runner.hooks if isinstance(hook, WholeCheckpointHook)]
        runner.logger.info(
            '%s: stopped after iteration %d; %s', self.stopped_by.name, runner.iter,
            f'saved {saved[0]}, continue with --resume' if saved else 'nothing saved: there is no WholeCheckpointHook',
        )  # fmt: skip

    def leave_train(self, runner: Runner) -> None:
        """Restore the signal handlers and end the workers, also after an error.

        Python would send SIGTERM, which the workers ignore, and wait for them for ever.
        """
        self._unblock()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}
        for loop in (runner.train_loop, runner.val_loop):
            # The iterator of a DataLoader keeps persistent workers alive.
            if getattr(getattr(loop, 'dataloader', None), '_iterator', None) is not None:
                loop.dataloader._iterator = None
        alive = [worker for worker in self._workers if worker.is_alive()]
        self._workers = set()
        if alive:
            # After an error, workers of the iterator are still alive. torch must not report their end as another error.
            watched = hasattr(signal, 'SIGCHLD')
            watching = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if watched else None
            for worker in alive:
                worker.kill()
                worker.join()
            if watched:
                signal.signal(signal.SIGCHLD, watching)

    def _receive(self, number: int, frame: Any) -> None:
        if self._received is not None:
            signal.signal(number, self._handlers[signal.Signals(number)])
            signal.raise_signal(number)
        self._received = signal.Signals(number)

    def _stop_if_received(self, runner: Runner) -> None:
        # A signal of another process is not stored in _received: a launcher sends the signal to each process in turn,
        # and the own signal would then count as a second one.
        number = torch.tensor(int(self._received or 0))
        all_reduce(number, 'max')
        if number and runner.iter < runner.max_iters:
            self.stopped_by = signal.Signals(int(number))
            runner.train_loop.stop_training = True

    def _block(self) -> None:
        # A process inherits the signal mask of the thread that starts it, so workers that start now ignore the signals.
        if self._handlers and self._others is None:
            self._others = set(multiprocessing.active_children())
            if hasattr(signal, 'pthread_sigmask'):
                signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def _unblock(self) -> None:
        if self._others is not None:
            self._workers |= set(multiprocessing.active_children()) - self._others
            self._others = None
            if hasattr(signal, 'pthread_sigmask'):
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def ignore_signals(before: Callable[[int], None] | None, worker: int) -> None:
    """A ``worker_init_fn`` that lets the workers of a data loader ignore the signals that end a training.

    For Windows, where processes inherit no signal mask and Ctrl-C reaches every process of the terminal.

    Args:
        before: The previous ``worker_init_fn`` of the loader, or None.
        worker: Number of the worker.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if before is not None:
        before(worker)


def exit_code(runner: Runner) -> int:
    """0, or 128 + the number of the signal that ended the training, as in shells: 130 for Ctrl-C, 143 for SIGTERM."""
    stopped = [hook.stopped_by for hook in runner.hooks if isinstance(hook, StopSignalHook) and hook.stopped_by]
    return 128 + stopped[0] if stopped else 0
