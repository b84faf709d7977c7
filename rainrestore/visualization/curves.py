"""Training curves of several runs in one plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rainrestore.visualization.panels import panels

#: Positive values with a larger ratio of maximum to minimum are drawn with a logarithmic axis.
LOGARITHMIC = 100


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
        MissingPackageError, ConfigError: See :func:`~rainrestore.visualization.panels.panels`.
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
