"""Tables as text."""

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines with columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ([f'{cell:{width}}' for cell, width in zip(row, widths, strict=True)] for row in rows)
    return '\n'.join('  '.join(row).rstrip() for row in cells)
