"""Figures of several panels with matplotlib, without a window, and the training curves of several runs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rainrestore.errors import ConfigError
from rainrestore.files import whole_file
from rainrestore.optional import optional_import

#: Positive values with a larger ratio of maximum to minimum are drawn with a logarithmic axis.
LOGARITHMIC = 100


@contextmanager
def panels(path: Path, count: int, title: str = '', share_x: bool = False) -> Iterator[list[Any]]:
    """Yield ``count`` matplotlib axes below each other; the figure is written at the end of the block.

    Args:
        path: The image file; its suffix selects the format. Folders are created.
        count: Number of panels.
        title: Title above the panels.
        share_x: Whether all panels have the same x axis.

    Raises:
        MissingPackageError: matplotlib is not installed.
        ConfigError: ``path`` is a folder or has no suffix, or matplotlib cannot write this format.
    """
    if path.is_dir() or not path.suffix:
        # matplotlib would add a suffix, and write another file.
        raise ConfigError(f'{path}: name an image file, such as curves.png')
    # Not with pyplot, which would select a window system.
    figures = optional_import('matplotlib.figure', 'a plot', 'pip install matplotlib')
    figure = figures.Figure(figsize=(7, 3 * count), dpi=120, layout='constrained')
    figure.suptitle(title)
    yield list(figure.subplots(count, squeeze=False, sharex=share_x)[:, 0])
    try:
        with whole_file(path) as temporary:
            figure.savefig(temporary)
    except ValueError as error:
        raise ConfigError(f'{path}: {error}') from error


def plot_curves(
    runs: Sequence[tuple[str, Mapping[str, Mapping[int, float]]]], keys: Sequence[str], path: Path | str
) -> Path:
    """Plot one panel per key, with one line per run over the training step; runs without the key are omitted.

    A panel whose values span orders of magnitude has a logarithmic axis.

    Args:
        runs: Label, and key -> step -> value.
        keys: The keys to draw.
        path: The image file; its suffix selects the format. Folders are created.

    Returns:
        The path.

    Raises:
        MissingPackageError, ConfigError: See :func:`panels`.
    """
    path = Path(path)
    with panels(path, len(keys), share_x=True) as every:
        for axes, key in zip(every, keys, strict=True):
            for colour, (label, curves) in enumerate(runs):
                if key in curves:
                    steps, values = zip(*curves[key].items(), strict=True)
                    # With markers, because a line of one point is invisible.
                    axes.plot(steps, values, label=label, color=f'C{colour}', marker='.' if len(steps) < 30 else '')
            logged = [value for _, curves in runs for value in curves.get(key, {}).values()]
            if min(logged, default=0) > 0 and max(logged) > LOGARITHMIC * min(logged):
                axes.set_yscale('log')
            axes.set_ylabel(key)
            axes.grid(alpha=0.3)
            axes.legend()
        axes.set_xlabel('step')
    return path
