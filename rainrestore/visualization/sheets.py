"""Sheets of images: rows of faces under column titles, as in the paper's Fig. 5."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rainrestore.errors import ConfigError
from rainrestore.files import whole_file
from rainrestore.labels import NUM_LABELS, PALETTE, label_names

Row = Sequence[np.ndarray | None]

#: Symbol in the paper -> title of the column, in the order of the columns; H^ is the restored face.
TITLES: dict[str, str] = {
    'I': 'input I',
    'H^': 'restored',
    'H': 'ground truth',
    'J': 'small face J',
    'S': 'rain S',
    'J + S': 'J + S',
    'T': 'transmission T',
    'A': 'airlight A',
    'F': 'parsing F',
    'M': 'drop mask M',
}
GAP = 4
TITLE_SIZE = 14
LEGEND_SIZE = 11
PAPER = (255, 255, 255)
INK = (0, 0, 0)


def image_grid(
    rows: Sequence[Row], titles: Sequence[str], row_titles: Sequence[str] | None = None, cell: int = 128
) -> np.ndarray:
    """Draw rows of images as one image, with a legend of the label colours if a column is the parsing F.

    Args:
        rows: One sequence of images per row, each H x W x 3 uint8 RGB, or None for an empty cell. An image is resized
            to its cell (bicubic, with its aspect ratio) and centred.
        titles: One title per column, drawn above it; may be empty.
        row_titles: One title per row, drawn at its left.
        cell: Side of the square cells in pixels.

    Returns:
        H x W x 3 uint8 RGB.

    Raises:
        ValueError: No rows, a row longer than the titles, a wrong number of row titles, or an image that is not
            H x W x 3 uint8.
    """
    if not rows:
        raise ValueError('a sheet needs at least one row')
    if row_titles is not None and len(row_titles) != len(rows):
        raise ValueError(f'{len(row_titles)} row titles for {len(rows)} rows')
    font = ImageFont.load_default(TITLE_SIZE)
    head = max(_height(title, font) for title in titles) + 2 * GAP if any(titles) else GAP
    left = max(int(font.getlength(title)) for title in row_titles) + 2 * GAP if row_titles and any(row_titles) else GAP
    # A title that is wider than its cell is drawn with a smaller font.
    fonts = [_fitting(title, cell) for title in titles]
    sheet = Image.new('RGB', (left + len(titles) * (cell + GAP), head + len(rows) * (cell + GAP)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, (title, title_font) in enumerate(zip(titles, fonts, strict=True)):
        centre = left + column * (cell + GAP) + cell // 2
        pen.text((centre, head // 2), title, fill=INK, font=title_font, anchor='mm', align='center')
    for line, row in enumerate(rows):
        if len(row) > len(titles):
            raise ValueError(f'row {line} has {len(row)} images under {len(titles)} titles')
        top = head + line * (cell + GAP)
        if row_titles is not None:
            pen.text((GAP, top + cell // 2), row_titles[line], fill=INK, font=font, anchor='lm')
        for column, image in enumerate(row):
            if image is None:
                continue
            fitted = _fit(image, cell, f'row {line}, column {titles[column]!r}')
            x = left + column * (cell + GAP) + (cell - fitted.width) // 2
            sheet.paste(fitted, (x, top + (cell - fitted.height) // 2))
    if TITLES['F'] not in titles:
        return np.asarray(sheet)
    return np.concatenate([np.asarray(sheet), _legend(sheet.width)])


def image_sheet(
    rows: Sequence[Row],
    titles: Sequence[str],
    path: Path | str,
    row_titles: Sequence[str] | None = None,
    cell: int = 128,
) -> Path:
    """Write :func:`image_grid` atomically to ``path``; returns the path.

    The suffix of ``path`` selects the format. Folders are created.

    Raises:
        ConfigError: ``path`` is a folder, or its suffix is not that of an image format.
    """
    path = Path(path)
    if path.is_dir() or path.suffix.lower() not in Image.registered_extensions():
        raise ConfigError(f'{path}: name an image file, such as sheet.png')
    image = Image.fromarray(image_grid(rows, titles, row_titles, cell))
    with whole_file(path) as temporary:
        image.save(temporary)
    return path


def _legend(width: int) -> np.ndarray:
    """A swatch and the name of each label, in lines of ``width`` pixels."""
    font = ImageFont.load_default(LEGEND_SIZE)
    line = LEGEND_SIZE + 2 * GAP
    placed, x, y = [], GAP, 0
    for colour, name in zip(PALETTE.tolist(), label_names(range(NUM_LABELS)), strict=True):
        length = LEGEND_SIZE + GAP + int(font.getlength(name))
        if x > GAP and x + length > width:
            x, y = GAP, y + line
        placed.append((x, y, tuple(colour), name))
        x += length + 3 * GAP
    legend = Image.new('RGB', (width, y + line), PAPER)
    pen = ImageDraw.Draw(legend)
    for x, y, colour, name in placed:
        pen.rectangle((x, y + GAP, x + LEGEND_SIZE - 1, y + GAP + LEGEND_SIZE - 1), fill=colour)
        pen.text((x + LEGEND_SIZE + GAP, y + line // 2), name, fill=INK, font=font, anchor='lm')
    return np.asarray(legend)


def _height(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    lines = text.count('\n') + 1
    return int(lines * font.getbbox('Ag')[3] * 1.25) if text else 0


def _fitting(title: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for size in range(TITLE_SIZE, 6, -1):
        font = ImageFont.load_default(size)
        if max(font.getlength(line) for line in title.split('\n')) <= width:
            return font
    return font


def _fit(pixels: np.ndarray, cell: int, where: str) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f'{where}: expected H x W x 3 uint8, got {pixels.shape} {pixels.dtype}')
    image = Image.fromarray(np.ascontiguousarray(pixels))
    ratio = cell / max(image.size)
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)
