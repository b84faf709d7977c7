"""The published log of a training: its curves with fewer points, and metadata from its logs."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from mmengine.config import Config

from rainrestore.engine.run_logs import Curves, read_run
from rainrestore.errors import ConfigError
from rainrestore.files import write_text

#: Greatest number of points of a curve.
POINTS = 100
DIGITS = 5
# Omitted: learning rates, times, memory, and values of the discriminators.
_OMITTED = re.compile(r'(.*\.|base_)?lr|(data_)?time|memory|grad_norm|(prob|slope)_\w+')
# Seed and number of processes in the header of a log of mmengine.
_SEED = re.compile(r'^ +seed: (\d+)$', re.MULTILINE)
_PROCESSES = re.compile(r'^ +GPU number: (\d+)$', re.MULTILINE)


def keep_log(runs: Sequence[Path], path: Path) -> dict[str, Any]:
    """Write the curves of a training to a small file, and return the metadata of its logs.

    A curve is a loss or a validation metric over the steps of its run. In curves of more than 100 points, neighbours
    are averaged. Format: ``{"runs": [{"name": ..., "steps": ..., "curves": {key: [[step, value], ...]}}]}``.

    Args:
        runs: The work dirs of the stages, in order; the parts of a resumed run are joined.
        path: The JSON file to write.

    Returns:
        ``Seed``, ``Faces`` (steps x batch size x processes) and ``Hours`` (training steps only) for the metadata of an
        index entry; each only if the logs of all stages have it.

    Raises:
        ConfigError: A run has no scalars.
    """
    stages = [(run, read_run(run)) for run in runs]
    log = []
    for run, curves in stages:
        kept = {key: thinned(curve) for key, curve in curves.items() if not _OMITTED.fullmatch(key)}
        log.append({'name': run.resolve().name, 'steps': _steps(curves), 'curves': kept})
    write_text(path, json.dumps({'runs': log}) + '\n')
    facts = [_facts(run, curves) for run, curves in stages]
    seeds = {stage.get('Seed') for stage in facts}
    found: dict[str, Any] = {'Seed': seeds.pop()} if len(seeds) == 1 and None not in seeds else {}
    for key, digits in (('Faces', None), ('Hours', 2)):
        if all(stage.get(key) is not None for stage in facts):
            found[key] = round(sum(stage[key] for stage in facts), digits)
    return found


def read_log(path: Path) -> list[tuple[str, Curves]]:
    """The curves of a published log, with the runs one after another on one axis of steps.

    Raises:
        ConfigError: No such file, or a file that is not written by :func:`keep_log`.
    """
    try:
        runs = json.loads(path.read_text(encoding='utf-8'))['runs']
        found, before = [], 0
        for run in runs:
            shifted = {key: {before + int(step): float(value) for step, value in points}
                       for key, points in run['curves'].items()}  # fmt: skip
            found.append((str(run['name']), shifted))
            before += int(run['steps'])
    except FileNotFoundError as error:
        raise ConfigError(f'{path}: no such training log') from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ConfigError(f'{path} is not a training log of rainrestore publish ({error!r})') from error
    return found


def thinned(curve: Mapping[int, float]) -> list[list[float]]:
    """At most 100 points; each is the mean of neighbouring finite values, at the last of their steps."""
    points = [(step, value) for step, value in curve.items() if math.isfinite(value)]
    size = math.ceil(len(points) / POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [[group[-1][0], float(f'{sum(value for _, value in group) / len(group):.{DIGITS}g}')] for group in groups]


def _steps(curves: Curves) -> int:
    return max((step for curve in curves.values() for step in curve), default=0)


def _facts(run: Path, curves: Curves) -> dict[str, Any]:
    folder = run if run.is_dir() else run.parent
    texts = [file.read_text(encoding='utf-8', errors='replace') for file in sorted(folder.rglob('*.log'))]
    seeds = {int(seed) for text in texts for seed in _SEED.findall(text)}
    processes = {int(number) for text in texts for number in _PROCESSES.findall(text)}
    configs = sorted(folder.rglob('vis_data/config.py'))
    facts: dict[str, Any] = {'Seed': seeds.pop()} if len(seeds) == 1 else {}
    if len(processes) == 1 and configs:
        config = Config.fromfile(configs[-1], import_custom_modules=False)
        facts['Faces'] = _steps(curves) * config.train_dataloader.batch_size * processes.pop()
    if 'time' in curves:
        # 'time' is the mean time of a step since the previous record.
        lengths = [after - before for before, after in pairwise([0, *curves['time']])]
        seconds = sum(length * time for length, time in zip(lengths, curves['time'].values(), strict=True))
        facts['Hours'] = seconds / 3600
    return facts
