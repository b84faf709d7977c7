"""Read the scalars that a run has logged, mmengine's ``vis_data/scalars.json``."""

import json
from pathlib import Path

from rainrestore.errors import ConfigError

SCALARS = 'scalars.json'

#: Key -> step -> value.
Curves = dict[str, dict[int, float]]

# Positions, not measurements.
_POSITIONS = ('step', 'iter', 'epoch')
# Of a validation these are another thing than of the training.
_TIMES = ('time', 'data_time')


def read_run(path: Path | str) -> Curves:
    """Read the scalars of a run.

    mmengine starts a new file at every start, so a resumed run has several; they are read in the order of their starts,
    and the later value of a repeated step is used. Steps are iterations of the training.

    Args:
        path: A work dir, the folder of one start inside it, or a ``scalars.json``.

    Returns:
        The curves, by key, sorted by step.

    Raises:
        ConfigError: No such path, no scalars in it, or a line that is none. A last line that is cut short, as a run
            in progress may leave, is passed over.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f'{path}: no such run; give a work dir or a {SCALARS}')
    # The folders of the starts are named by date and time.
    files = sorted(path.rglob(SCALARS)) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f'{path}: holds no {SCALARS}; a run writes one with LocalVisBackend in its visualizer')
    curves: Curves = {}
    for file in files:
        trained = 0
        lines = file.read_text(encoding='utf-8').splitlines()
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                step = record['step']
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                if number == len(lines) and isinstance(error, json.JSONDecodeError):
                    break
                raise ConfigError(
                    f'{file}: line {number} is not a JSON object with a step, as mmengine logs'
                ) from error
            training = 'iter' in record
            # mmengine may count a validation in epochs (its default), and then it stands behind its iteration.
            trained = step = step if training else max(step, trained)
            for key, value in record.items():
                if isinstance(value, (int, float)) and key not in _POSITIONS and (training or key not in _TIMES):
                    curves.setdefault(key, {})[step] = float(value)
    return {key: dict(sorted(curve.items())) for key, curve in sorted(curves.items())}
