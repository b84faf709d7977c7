"""Training curves of several runs in one plot."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from rainrestore.errors import ConfigError

#: Positive values that span more than this are drawn over a logarithmic axis.
LOGARITHMIC = 100


def plot_curves(
    runs: Sequence[tuple[str, Mapping[str, Mapping[int, float]]]], keys: Sequence[str], path: Path | str
) -> Path:
    """Plot one panel for each key and one line for each run over the training step; runs without the key are left out.

    A panel whose values span orders of magnitude has a logarithmic axis.

    Args:
        runs: Label, and key -> step -> value.
        keys: What to draw.
        path: The picture; its suffix chooses the format. Folders are made.

    Returns:
        The path.

    Raises:
        ConfigError: Matplotlib is not installed, or cannot write this format.
    """
    try:
        figures = importlib.import_module('matplotlib.figure')
    except ModuleNotFoundError as error:
        raise ConfigError('curves are drawn by matplotlib, which is not installed: pip install matplotlib') from error
    path = Path(path)
    # A figure of its own: pyplot would choose a window system.
    figure = figures.Figure(figsize=(7, 3 * len(keys)), dpi=120, layout='constrained')
    for axes, key in zip(figure.subplots(len(keys), squeeze=False, sharex=True)[:, 0], keys, strict=True):
        for colour, (label, curves) in enumerate(runs):
            if key in curves:
                steps, values = zip(*curves[key].items(), strict=True)
                # A validation may have come only once, and a line of one point is invisible.
                axes.plot(steps, values, label=label, color=f'C{colour}', marker='.' if len(steps) < 30 else '')
        every = [value for _, curves in runs for value in curves.get(key, {}).values()]
        if min(every, default=0) > 0 and max(every) > LOGARITHMIC * min(every):
            axes.set_yscale('log')
        axes.set_ylabel(key)
        axes.grid(alpha=0.3)
        axes.legend()
    axes.set_xlabel('step')
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(path)
    except ValueError as error:
        raise ConfigError(f'{path}: {error}') from error
    return path
