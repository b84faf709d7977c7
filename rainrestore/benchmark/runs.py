"""The runs of a benchmark, with the same budget for every method. Interrupted runs are resumed, finished runs kept."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from tqdm import tqdm

from rainrestore.benchmark.spec import Method, Module, Task
from rainrestore.checkpoints import ZOO_SCHEME
from rainrestore.config_files import write_merged
from rainrestore.engine.config import load_config
from rainrestore.engine.config_check import DATALOADERS
from rainrestore.engine.testing import run_test_apart
from rainrestore.errors import BudgetError, RainRestoreError, RunError
from rainrestore.files import write_text
from rainrestore.registry import METRICS
from rainrestore.zoo.files import with_parts
from rainrestore.zoo.index import zoo_entry

FIRST_SHARE = 0.5
CHECKPOINTS = 5
ITERATION = re.compile(r'Iter\(train\) \[ *(\d+)/\d+\]')
TAIL = 15


@dataclass(frozen=True)
class Budget:
    """The training budget of every method.

    Args:
        faces: Number of training faces over all stages, with repetitions; 0 if nothing is trained.
        batch: Batch size.
        warm_up: Fraction of the faces for ``Method.warm_up``, in [0, 1); 0 as in the paper.
        data: Folder ``{train,val,test}/{img,mask}``; None for RAINRESTORE_DATA or the bundled faces.
        options: The options of the benchmark and ``--cfg-options``, for every config that has the keys.

    Raises:
        BudgetError: Fewer faces than a batch, or an invalid ``warm_up``.
    """

    faces: int
    batch: int = 16
    warm_up: float = 0.0
    data: str | None = None
    options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.batch < 1 or (self.faces and self.faces < self.batch):
            raise BudgetError(f'--faces {self.faces} is less than one batch of --batch {self.batch}')
        if not 0 <= self.warm_up < 1:
            raise BudgetError(f'--warm-up is a fraction of the faces, at least 0 and below 1, got {self.warm_up}')

    def options_for(self, config: Path) -> dict[str, Any]:
        """The options without those for keys that are None in the config."""
        parts = Config.fromfile(config)
        empty = {part for part, content in parts.items() if content is None}
        return {key: value for key, value in (self.options or {}).items() if key.partition('.')[0] not in empty}

    @property
    def iterations(self) -> int:
        """Number of iterations over all stages."""
        return self.faces // self.batch


@dataclass(frozen=True)
class Stage:
    """One training run of a method: its config, its iterations, changes of ``model``, and ``Method.final_rate``."""

    name: str
    config: Path
    iterations: int
    model: Mapping[str, Any]
    final_rate: float


def plan(method: Method, budget: Budget) -> list[Stage]:
    """The stages of a method; the sum of their iterations is ``budget.iterations``."""
    last = Stage('train', method.config, budget.iterations, {}, method.final_rate)
    if method.first is not None:
        share, before = FIRST_SHARE, replace(last, name='first', config=method.first)
    elif method.warm_up is not None:
        share, before = budget.warm_up, replace(last, name='warm_up', model=method.warm_up)
    else:
        return [last]
    count = round(share * budget.iterations)
    stages = [replace(before, iterations=count), replace(last, iterations=budget.iterations - count)]
    return [stage for stage in stages if stage.iterations]


def check_budget(out: Path, budget: Budget, benchmark: str) -> None:
    """Write the budget to ``out``, or compare it with the budget in ``out``.

    Raises:
        BudgetError: ``out`` contains runs with another budget, or its file of the budget is damaged.
    """
    path = out / 'budget.json'
    now = {'benchmark': benchmark, **asdict(budget)}
    if path.is_file():
        kept = _read_object(path)
        if kept is None:
            raise BudgetError(f'{path} is damaged: it is not a JSON object; choose another --out, or remove {out}')
        if key := next((key for key in now if kept.get(key) != now[key]), None):
            raise BudgetError(
                f'{out} contains runs with {key} = {kept.get(key)!r}, not {now[key]!r}: choose another --out, or the '
                'same budget'
            )
        return
    _write_json(path, now)


def module_budget(module: Module, budget: Budget) -> Budget:
    """The budget of a module: its fraction of the faces, with its batch size."""
    return replace(budget, faces=int(module.share * budget.faces), batch=module.batch or budget.batch, warm_up=0.0)


def faces_before(method: Method, budget: Budget, modules: Mapping[str, Module]) -> int:
    """The number of training faces of the modules of a method, in whole batches."""
    budgets = [module_budget(modules[name], budget) for name in method.modules]
    return sum(each.iterations * each.batch for each in budgets)


def train(
    part: Method | Module,
    budget: Budget,
    seed: int,
    runs: Path,
    modules: Mapping[str, Module] | None = None,
    task: Task | None = None,
) -> Path:
    """Train or resume the unfinished modules and stages of a method or a module; returns the path of the weights.

    The folder of each stage contains its complete config, ``config.py``, for ``rainrestore train``.

    Raises:
        RunError: A training ended with an error.
    """
    modules = modules or {}
    if isinstance(part, Module):
        method, own = Method(part.name, part.config, part.name), module_budget(part, budget)
    else:
        method, own = part, replace(budget, faces=budget.faces - faces_before(part, budget, modules))
    # The weights of the trained modules are the initial weights of their slots.
    options = dict(budget.options or {})
    for name in part.modules:
        weights = train(modules[name], budget, seed, runs, modules, task)
        options[f'model.{modules[name].slot}.init_cfg'] = {
            'type': 'Pretrained', 'checkpoint': str(weights.resolve()), 'prefix': modules[name].slot
        }  # fmt: skip
    own = replace(own, options=options)
    checkpoint: Path | None = None
    for number, stage in enumerate(plan(method, own), 1):
        work_dir = runs / method.name / f'seed_{seed}' / f'{number}_{stage.name}'
        finished = work_dir / f'iter_{stage.iterations}.pth'
        if not finished.is_file():
            config = work_dir / 'config.py'
            write_merged(stage_config(stage, own, seed, checkpoint, task), stage.config, config)
            words = ['train', str(config), '--work-dir', str(work_dir), '--resume']
            _run(words, work_dir / 'train.log', f'{method.label}, {stage.name}', stage.iterations)
            if not finished.is_file():
                raise RunError(f'{method.label}: the training ended without {finished}; see {work_dir / "train.log"}')
        checkpoint = finished
    assert checkpoint is not None
    return checkpoint


def stage_config(stage: Stage, budget: Budget, seed: int, load_from: Path | None, task: Task | None = None) -> Config:
    """The config of a stage: the config of the method with the data sets of the task, the batch size, iterations,
    schedule and data of the budget, and the seed."""
    # A copy, because merging removes `_delete_` from its argument.
    model = {f'model.{key}': deepcopy(value) for key, value in stage.model.items()}
    config = load_config(stage.config, {**(budget.options or {}), **model}, budget.data)
    _take_data(config, task, budget, budget.data)
    steps = stage.iterations
    config.train_dataloader.batch_size = budget.batch
    config.train_cfg = {'type': 'ResumableTrainLoop', 'max_iters': steps, 'val_interval': steps}
    cosine = {'type': 'CosineAnnealingLR', 'by_epoch': False, 'T_max': steps, 'end': steps}
    config.param_scheduler = [{**cosine, 'eta_min_ratio': stage.final_rate}]
    saving = {'type': 'WholeCheckpointHook', 'by_epoch': False, 'max_keep_ckpts': 1}
    config.default_hooks.checkpoint = {**saving, 'interval': max(1, steps // CHECKPOINTS)}
    config.default_hooks.logger.interval = max(1, min(config.default_hooks.logger.get('interval', 10), steps // 50))
    config.randomness = {'seed': seed}
    config.load_from = None if load_from is None else str(load_from)
    return config


def test(
    config: Path,
    checkpoint: str,
    budget: Budget,
    metrics: Sequence[Mapping[str, Any]],
    data: str | None,
    out: Path,
    task: Task | None,
) -> dict[str, Any]:
    """Test, unless ``out`` has the result for these weights; returns the summary of ``rainrestore test``.

    The result of a zoo model is kept with the SHA-256 of the published weights (``published``). If other weights are
    published under this name, they are tested again.

    Args:
        config: Config of the model.
        checkpoint: A file, ``rainrestore://NAME``, or ``none``.
        budget: Its options are applied to the config.
        metrics: Configs of metrics in addition to the standard metrics.
        data: Folder ``{train,val,test}/{img,mask}``; None for the folder in the config.
        out: Folder of the results.
        task: The task whose test faces are used; None for those of the config.

    Raises:
        CheckpointError: No zoo model has this name.
        RunError: The test ended with an error.
    """
    summary, published = out / 'summary.json', _published(checkpoint)
    if summary.is_file():
        kept = _read_object(summary) or {}
        if kept.get('checkpoint') == checkpoint and kept.get('published', {}) == published:
            return kept
    tested = load_config(config, budget.options_for(config), data)
    _take_data(tested, task, budget, data)
    # The same metrics for every row; metrics of a single config would leave empty cells in the other rows.
    tested.test_evaluator = list(metrics)
    write_merged(tested, config, out / 'config.py')
    result = run_test_apart(out / 'test.log', out / 'config.py', checkpoint, None, out, save_restored=True)
    result['published'] = published
    _write_json(summary, result)
    return result


def _read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file of an earlier call; None if the file is damaged."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _published(checkpoint: str) -> dict[str, str]:
    """The SHA-256 of the weights of a zoo model and of its parts, by name; empty if it is not a zoo model."""
    if not checkpoint.startswith(ZOO_SCHEME):
        return {}
    return {name: zoo_entry(name)['SHA256'] for name in with_parts(checkpoint)}


def _take_data(config: Config, task: Task | None, budget: Budget, data: str | None) -> None:
    """Replace the data sets of the method by the data sets of the task; loaders and batch sizes do not change."""
    if task is None:
        return
    source = load_config(task.config, budget.options_for(task.config), data)
    for name in DATALOADERS:
        if config.get(name) and source.get(name):
            config[name].dataset = source[name].dataset


def available(metrics: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[str]]:
    """The metrics that can be computed on this machine, and for each other metric the reason."""
    usable, reasons = [], []
    for metric in metrics:
        try:
            METRICS.build(dict(metric))
        except RainRestoreError as error:
            reasons.append(f'{metric["type"]} is omitted: {error}')
        else:
            usable.append(metric)
    return usable, reasons


def _run(words: Sequence[str], log: Path, title: str, iterations: int) -> None:
    """Run ``rainrestore WORDS`` in another process, with a progress bar; its output goes to ``log``.

    Each run needs its own process, because visualizers, loggers and scopes of mmengine are global.
    """
    command = [sys.executable, '-m', 'rainrestore.cli.main', *words]
    lines: list[str] = []
    output: Any = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, 'text': True}
    with (
        open(log, 'w', encoding='utf-8') as file,
        subprocess.Popen(command, env={**os.environ, 'PYTHONUNBUFFERED': '1'}, **output) as process,
        tqdm(total=iterations, desc=title, unit='it') as bar,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            lines.append(line.rstrip())
            if found := ITERATION.search(line):
                bar.update(int(found[1]) - bar.n)
        code = process.wait()
        if not code:
            bar.update(iterations - bar.n)
    if code:
        raise RunError(f'{title}: exit code {code}; {log} ends with: ' + ' | '.join(lines[-TAIL:]))


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=1) + '\n')
