"""Figures of several panels with matplotlib, without a window."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rainrestore.errors import ConfigError
from rainrestore.files import whole_file
from rainrestore.optional import optional_import


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
