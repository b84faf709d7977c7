"""Plain-text tables."""

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]]) -> str:
    """Format rows of cells as text with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ([f'{cell:{width}}' for cell, width in zip(row, widths, strict=True)] for row in rows)
    return '\n'.join('  '.join(row).rstrip() for row in cells)
