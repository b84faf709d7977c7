"""Read the logged scalars of a run, mmengine's ``vis_data/scalars.json``."""

import json
from pathlib import Path

from rainrestore.errors import ConfigError
from rainrestore.rules import is_count

SCALARS = 'scalars.json'

#: Key -> step -> value.
Curves = dict[str, dict[int, float]]

# Positions, not measurements.
_POSITIONS = ('step', 'iter', 'epoch')
# Read for the training only: times of a validation have the same keys.
_TIMES = ('time', 'data_time')


def read_run(path: Path | str) -> Curves:
    """Read the scalars of a run.

    mmengine writes a new file at every start, so a resumed run has several files. They are read in the order of their
    starts. If a step is repeated, the later value is used. Steps are training iterations. An incomplete last line, as
    in a run in progress, is ignored.

    Args:
        path: A work dir, the folder of one start inside it, or a ``scalars.json``.

    Returns:
        The curves, by key, sorted by step.

    Raises:
        ConfigError: No such path, no scalars in it, or an invalid line.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f'{path}: no such run; use a work dir or a {SCALARS}')
    # The names of the folders are date and time of the start.
    files = sorted(path.rglob(SCALARS)) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f'{path}: contains no {SCALARS}; a run writes it with LocalVisBackend in its visualizer')
    curves: Curves = {}
    for file in files:
        trained = 0
        try:
            lines = file.read_text(encoding='utf-8').splitlines()
        except UnicodeDecodeError as error:
            raise ConfigError(f'{file} is not UTF-8 text; use a work dir or a {SCALARS}') from error
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                step = record['step']
                values = {key: float(value) for key, value in record.items() if isinstance(value, (int, float))}
                if not is_count(step):
                    raise TypeError(f'step is {step!r}')
            # ValueError: also an integer with more digits than Python reads; RecursionError: nested too deeply.
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
                if number == len(lines) and isinstance(error, json.JSONDecodeError):
                    break
                raise ConfigError(
                    f'{file}: line {number} is not a JSON object with numbers and a step, as mmengine writes it'
                ) from error
            training = 'iter' in record
            # mmengine may count validations in epochs; then the step is the iteration of the last training record.
            trained = step = step if training else max(step, trained)
            for key, value in values.items():
                if key not in _POSITIONS and (training or key not in _TIMES):
                    curves.setdefault(key, {})[step] = value
    return {key: dict(sorted(curve.items())) for key, curve in sorted(curves.items())}
