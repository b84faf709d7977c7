"""The screen output of a training or a test: a title, a progress bar, results. The log file has all messages."""

import contextlib
import logging
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import torch
from mmengine.dist import is_main_process, master_only
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from rainrestore.config_files import write_merged
from rainrestore.device import described, has_bfloat16
from rainrestore.engine.metric_hook import PrepareMetricsHook
from rainrestore.engine.optim import AutocastOptimWrapper, single_wrappers
from rainrestore.engine.processes import bare
from rainrestore.registry import EVALUATOR

PACKAGE = Path(__file__).resolve().parents[1]
#: mmengine's format of a start time.
TIME = '%Y%m%d_%H%M%S'
#: Modules of mmengine whose messages are shown: losses, validations, checkpoints.
SHOWN = ('logger_hook', 'checkpoint_hook')
#: Hidden messages: warnings of mmengine about itself, and messages that the result table of a test repeats.
HIDDEN = re.compile(
    r'will be deprecated|(save|resume)_param_scheduler|Iter\(test\)|Exp name|Checkpoints will be saved'
    r'|prefix is not set'
)


class RestorationRunner(Runner):
    """mmengine's Runner with less screen output, and with metrics of this package and of mmagic.

    The environment, the config and the initialisation are written to the log file only. If ``val_evaluator`` or
    ``test_evaluator`` is a metric or a list of metrics, a :class:`~rainrestore.evaluation.RestorationEvaluator` is
    built.

    mmengine names the log, the message hub and the visualizer of a run by its start time in seconds. A run that starts
    in the same second as another run of this process would write to the files of that run. It takes the next free
    second.
    """

    _times: ClassVar[set[str]] = set()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.register_hook(PrepareMetricsHook())

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Set the environment up, with a start time that no other run of this process has."""
        super().setup_env(env_cfg)
        start = datetime.strptime(self.timestamp, TIME)
        while start.strftime(TIME) in self._times:
            start += timedelta(seconds=1)
        self._timestamp = start.strftime(TIME)
        self._times.add(self._timestamp)

    def build_evaluator(self, evaluator: Any) -> Evaluator:
        """Build an evaluator, by default a ``RestorationEvaluator``."""
        if isinstance(evaluator, Evaluator):
            return evaluator
        options = evaluator if isinstance(evaluator, Mapping) and 'metrics' in evaluator else {'metrics': evaluator}
        return EVALUATOR.build({'type': 'rainrestore.RestorationEvaluator', **options})

    def build_logger(self, *args: Any, **options: Any) -> MMLogger:
        """Build mmengine's logger with a filter for the screen."""
        logger = super().build_logger(*args, **options)
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_for_screen)
                handler.setStream(_AboveBar())
        return logger

    @master_only
    def dump_config(self) -> None:
        """Write the merged config to the work dir, with the modules that its ``custom_imports`` need."""
        if self.cfg.filename is None:
            super().dump_config()
        else:
            path = Path(self.cfg.filename)
            write_merged(self.cfg, path, Path(self.work_dir, path.name))

    def _init_model_weights(self) -> None:
        # mmengine prints the source of the weights, and logs it, too.
        with contextlib.redirect_stdout(None):
            super()._init_model_weights()


class ScreenHook(Hook):
    """Print a title at the start, and show a progress bar on a terminal.

    If the output is not a terminal, the losses are logged line by line instead of a bar.

    Args:
        config: Path of the config.
        weights: Checkpoint of a test.
        out: Folder of the results of a test; None for the work dir of the run.
    """

    priority = 'VERY_LOW'

    def __init__(self, config: str, weights: str | None = None, out: Path | None = None) -> None:
        self.config = config
        self.weights = weights
        self.out = out
        self._bar: Any = None

    def before_train(self, runner: Runner) -> None:
        """Print the title, and open the bar."""
        steps = f'{runner.iter:,} to {runner.max_iters:,}'
        loader = runner.train_dataloader
        data = [f'{_faces(loader)} to train, batches of {loader.batch_size}']
        if runner.val_loop is not None:
            data.append(f'{_faces(runner.val_dataloader)} to validate')
        facts = {'iterations': steps, 'precision': _precision(runner)}
        self._open(runner, data, runner.max_iters, runner.iter, 'iteration', facts)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Update the bar; the output of a training step is a dict with the loss."""
        if self._bar is not None:
            loss = outputs.get('loss') if isinstance(outputs, dict) else None
            if loss is not None and not self._bar.disable and self._bar.n % 10 == 0:
                self._bar.set_postfix(loss=f'{float(loss.detach()):.4g}', refresh=False)
            self._bar.update()

    after_test_iter = after_train_iter

    def leave_train(self, runner: Runner) -> None:
        """Close the bar at the end of the training or the test, also after an error in the training."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    after_train = after_test = leave_train

    def before_test(self, runner: Runner) -> None:
        """Print the title, and open the bar."""
        facts = {'weights': self.weights or 'none'}
        loader = runner.test_dataloader
        self._open(runner, [f'{_faces(loader)} to test'], len(loader), 0, 'batch', facts)

    def _open(
        self, runner: Runner, data: list[str], total: int, initial: int, unit: str, facts: dict[str, str]
    ) -> None:
        if not is_main_process():
            return
        model = bare(runner.model)
        facts = {
            'model': f'{type(model).__name__}, {self.config}',
            **facts,
            'data': '; '.join(data),
            'parameters': slot_parameters(model) or 'none',
            'device': described(_device(model)),
            'writes to': f'{_from_here(self.out or runner.work_dir)} (log: {_from_here(runner.log_dir)})',
        }
        for key, value in facts.items():
            print(f'{key:<12}{value}')
        sys.stdout.flush()
        # disable=None shows no bar if the output is not a terminal.
        self._bar = tqdm(total=total, initial=initial, unit=f' {unit}', disable=None, dynamic_ncols=True)


def slot_parameters(model: nn.Module) -> str:
    """The parameters of each slot in millions, such as ``generator 0.94 M, discriminator 0.70 M``."""
    counts = {name: sum(value.numel() for value in part.parameters()) for name, part in model.named_children()}
    return ', '.join(f'{name} {count / 1e6:.2f} M' for name, count in counts.items() if count)


@contextlib.contextmanager
def warnings_in_log() -> Iterator[None]:
    """Write warnings of other packages to the log file, and warnings of this package to the screen."""

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
        level = logging.WARNING if Path(filename).is_relative_to(PACKAGE) else logging.INFO
        MMLogger.get_current_instance().log(level, '%s:%d: %s', filename, lineno, message)

    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        warnings.filterwarnings('default', category=FutureWarning)
        yield


def _faces(loader: DataLoader) -> str:
    dataset: Any = loader.dataset
    dataset = getattr(dataset, 'dataset', dataset)
    root = getattr(dataset, 'data_root', None)
    return f'{len(dataset):,} faces' + (f' of {_from_here(root)}' if root else '')


def _from_here(path: str | Path) -> Path:
    """A path, relative to the working directory if it is below it."""
    return Path(path).relative_to(Path.cwd()) if Path(path).is_relative_to(Path.cwd()) else Path(path)


def _device(model: nn.Module) -> torch.device:
    return next((value.device for value in model.parameters()), torch.device('cpu'))


def _precision(runner: Runner) -> str:
    device = _device(runner.model)
    wrappers = single_wrappers(runner.optim_wrapper)
    if any(isinstance(one, AutocastOptimWrapper) and one.on(device) for one in wrappers):
        return 'bfloat16' if has_bfloat16(device) else 'bfloat16, slow on this processor; --no-amp is faster'
    return 'float32'


def _is_for_screen(record: logging.LogRecord) -> bool:
    if HIDDEN.search(record.getMessage()):
        return False
    if record.levelno >= logging.WARNING:
        return True
    if record.module == 'logger_hook' and 'Iter(train)' in record.getMessage() and sys.stderr.isatty():
        return False
    own = Path(record.pathname).is_relative_to(PACKAGE) and record.module != 'screen'
    return own or record.module in SHOWN


class _AboveBar:
    """A stream that writes to the standard output above the progress bar."""

    def write(self, text: str) -> None:
        tqdm.write(text, file=sys.stdout, end='')

    def flush(self) -> None:
        sys.stdout.flush()
