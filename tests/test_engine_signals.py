"""Ctrl-C and SIGTERM end a training with a checkpoint; resuming from it is exact."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mmengine.hooks import Hook
from mmengine.runner import Runner
from test_engine_resume import assert_same_end
from toy import toy_config

from rainrestore.checkpoints import load_checkpoint
from rainrestore.engine.saving import newest_checkpoint
from rainrestore.engine.signals import exit_code

HERE = Path(__file__).parent


class Kill(Hook):
    """Sends this process a signal in the middle of an iteration."""

    def __init__(self, number: int, iteration: int, times: int = 1) -> None:
        self.number, self.iteration, self.times = number, iteration, times

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            for _ in range(self.times):
                # to this thread: another thread may handle it late, and two pending signals count as one
                signal.raise_signal(self.number)


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_saves_a_checkpoint_and_the_run_resumes_exactly(tmp_path: Path, number: int, code: int) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    whole = toy_config(tmp_path / 'whole', 5)
    whole.default_hooks.checkpoint.interval = 100
    Runner.from_cfg(whole).train()
    config = toy_config(tmp_path / 'cut', 5)
    config.default_hooks.checkpoint.interval = 100
    runner = Runner.from_cfg(config)
    runner.register_hook(Kill(number, 2), priority='LOW')
    runner.train()
    assert exit_code(runner) == code
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    newest = newest_checkpoint(tmp_path / 'cut')
    assert newest is not None
    assert Path(newest).name == 'iter_3.pth'
    again = toy_config(tmp_path / 'cut', 5, resume=True, load_from=newest)
    again.experiment_name += '_again'
    runner = Runner.from_cfg(again)
    runner.train()
    assert exit_code(runner) == 0
    assert_same_end(tmp_path / 'whole', tmp_path / 'cut', 5)


@pytest.fixture
def default_ctrl_c() -> Iterator[Any]:
    """Python's own handler. A process that a shell started in the background does not have it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_second_ctrl_c_ends_at_once(tmp_path: Path, default_ctrl_c: Any) -> None:
    runner = Runner.from_cfg(toy_config(tmp_path, 5))
    runner.register_hook(Kill(signal.SIGINT, 2, times=2), priority='LOWEST')
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert signal.getsignal(signal.SIGINT) is default_ctrl_c
    assert not (tmp_path / 'iter_3.pth').exists()


def test_missed_validation_is_held_after_resuming(tmp_path: Path) -> None:
    """The signal comes when a validation is due. The resumed run validates first, unless the validation took place."""
    loader = dict(batch_size=2, num_workers=0, dataset=dict(type='ToyNoise'), sampler=dict(type='DefaultSampler'))
    validating = dict(val_dataloader=loader, val_cfg=dict(type='ValLoop'), val_evaluator=dict(type='ToyMean'))
    held: list[int] = []

    class Held(Hook):
        def after_val_epoch(self, runner, metrics=None):
            held.append(runner.iter)

    for resume in (False, True):
        config = toy_config(tmp_path, 5, resume=resume, **validating)
        config.load_from = str(tmp_path / 'iter_2.pth') if resume else None
        config.experiment_name += str(resume)
        runner = Runner.from_cfg(config)
        runner.register_hook(Held())
        if not resume:
            runner.register_hook(Kill(signal.SIGTERM, 1), priority='LOWEST')
        runner.train()
        assert held == ([2, 4, 5] if resume else [])


def test_signal_to_all_processes_keeps_the_workers_until_the_save(tmp_path: Path) -> None:
    """Clusters and terminals send it to all processes. The workers live until the checkpoint is saved."""
    config = toy_config(tmp_path / 'run', 10**6, workers=2, custom_imports=dict(imports=['toy']))
    config.default_hooks.checkpoint.update(interval=2, max_keep_ckpts=1)
    config.dump(tmp_path / 'config.py')
    paths = [str(HERE), os.environ.get('PYTHONPATH', '')]
    process = subprocess.Popen(
        [sys.executable, '-m', 'rainrestore.cli.main', 'train', str(tmp_path / 'config.py'),
         '--work-dir', str(tmp_path / 'run')],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}, cwd=HERE.parent, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        while process.poll() is None and not (tmp_path / 'run' / 'last_checkpoint').exists():
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGTERM)
        output = process.communicate(timeout=300)[0]
    finally:
        process.kill()
    assert process.returncode == 143, output
    assert 'Traceback' not in output
    newest = newest_checkpoint(tmp_path / 'run')
    assert newest is not None
    last = load_checkpoint(newest)['meta']['iter'] + 2
    Runner.from_cfg(toy_config(tmp_path / 'whole', last)).train()
    Runner.from_cfg(toy_config(tmp_path / 'again', last, resume=True, load_from=newest)).train()
    assert_same_end(tmp_path / 'whole', tmp_path / 'again', last)


def test_error_with_workers_ends_the_run_at_once(tmp_path: Path) -> None:
    """Python ends workers by SIGTERM, which they ignore here. The training has to end them, also after an error."""
    loader = dict(batch_size=2, num_workers=1, dataset=dict(type='ToyNoise'), sampler=dict(type='DefaultSampler'))
    validating = dict(val_dataloader=loader, val_cfg=dict(type='ValLoop'), val_evaluator=dict(type='ToyMean'))

    class Fail(Hook):
        def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            raise RuntimeError('in the validation')

    runner = Runner.from_cfg(toy_config(tmp_path, 5, workers=1, **validating))
    runner.register_hook(Fail())
    with pytest.raises(RuntimeError, match='in the validation') as caught:
        runner.train()
    # While the traceback references the iterators:
    assert caught.tb is not None
    assert not multiprocessing.active_children()
