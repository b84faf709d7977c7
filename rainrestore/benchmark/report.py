"""Report of a benchmark: tables in Markdown, charts, and sheets as in the paper's Fig. 7."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from rainrestore.benchmark.spec import Benchmark, Method
from rainrestore.evaluation import paired_bootstrap, read_csv
from rainrestore.visualization.sheets import TITLES, image_sheet

#: Default columns: key in a summary -> heading and decimals. Columns without values are omitted.
COLUMNS: dict[str, tuple[str, int]] = {
    'PSNR': ('PSNR', 2),
    'SSIM': ('SSIM', 4),
    'MSSSIM': ('MS-SSIM', 4),
    'PSNR_Y': ('PSNR Y', 2),
    'PSNR_crop4': ('PSNR crop 4', 2),
    'LPIPS': ('LPIPS', 4),
    'FID': ('FID', 2),
    'NIQE': ('NIQE', 2),
    'identity_distance': ('identity', 3),
    'LLE': ('LLE', 2),
    'mIoU_restored': ('mIoU', 3),
}
CONVENTION = (
    'PSNR (dB) and SSIM are on RGB without border crop, on unrounded values clamped to 0..255; "Y" is the BT.601 luma '
    'without crop, "crop 4" RGB without the four outer pixels.'
)
FRAME = (255, 220, 0)


@dataclass
class Row:
    """The results of a method on one data set, in one task.

    Args:
        method: The method.
        faces: Number of training faces in the benchmark without those of modules, with repetitions; with
            ``checkpoint_of``, those of the other method; 0 if only modules or nothing is trained.
        before: Number of training faces of the zoo models that it uses and of the modules of the benchmark, with
            repetitions.
        summaries: Seed -> summary of the test; one entry under ``None`` if nothing is trained for the row.
        folders: Seed -> folder with ``per_image.csv`` and ``restored/``.
        cost: ``parameters``, ``macs`` and ``seconds``, each for one face; a method that runs outside torch has only
            ``seconds``.
    """

    method: Method
    faces: int
    before: int
    summaries: dict[int | None, dict[str, Any]]
    folders: dict[int | None, Path]
    cost: Mapping[str, float] = field(default_factory=dict)

    def mean(self, key: str) -> float | None:
        """The mean of a metric over the seeds; None if a seed has no value."""
        values = [summary.get(key) for summary in self.summaries.values()]
        return None if None in values else math.fsum(values) / len(values)  # type: ignore[arg-type]

    def spread(self, key: str) -> tuple[float, float] | None:
        """The least and the largest value of a metric over the seeds; None with fewer than two values."""
        values = [summary[key] for summary in self.summaries.values() if summary.get(key) is not None]
        return (min(values), max(values)) if len(values) > 1 else None

    def per_image(self, key: str) -> dict[str, float]:
        """Name of a face -> mean of a metric over the seeds."""
        tables = [read_csv(folder / 'per_image.csv') for folder in self.folders.values()]
        return {name: math.fsum(table[name][key] for table in tables) / len(tables) for name in tables[0]}


def difference(better: Row, worse: Row, key: str = 'PSNR') -> dict[str, Any]:
    """The mean difference of two rows, with its interval from a paired bootstrap over the faces.

    The value of a face is its mean over the seeds.

    Args:
        better: The row whose values are the minuend.
        worse: The row whose values are subtracted.
        key: The metric.

    Returns:
        The fields of :class:`~rainrestore.evaluation.PairedDifference`.
    """
    first, second = better.per_image(key), worse.per_image(key)
    names = sorted(first)
    return asdict(paired_bootstrap([first[name] for name in names], [second[name] for name in names]))


def table(benchmark: Benchmark, rows: Sequence[Row], heading: str) -> list[str]:
    """The Markdown table of one data set and task, and a table of the claims whose two methods have a row.

    Args:
        benchmark: Its columns, reference and claims are used.
        rows: One row per method.
        heading: Heading of the table.

    Returns:
        The lines.
    """
    by_name = {row.method.name: row for row in rows}
    against = by_name.get(benchmark.reference or '')
    columns: list[tuple[str, Callable[[Row], str]]] = [
        ('method', lambda row: row.method.label + ' (oracle)' * row.method.oracle)
    ]
    for key, (title, places) in (benchmark.columns or COLUMNS).items():
        if any(row.mean(key) is not None for row in rows):
            columns.append((title, partial(_cell, key=key, places=places)))
    if against is not None:
        columns.append((f'PSNR − {against.method.label} [95 %]', partial(_gap, against=against)))
    if any(row.method.paper for row in rows):
        columns.append(('paper', lambda row: '{:.2f} / {:.4f}'.format(*row.method.paper) if row.method.paper else ''))
    columns += [
        ('faces', lambda row: f'{row.faces:,}' if row.faces else '-'),
        ('before', lambda row: f'{row.before:,}' if row.before else '-'),
        ('parameters', lambda row: _large(row.cost.get('parameters'))),
        ('MACs', lambda row: _large(row.cost.get('macs'))),
        ('ms a face', lambda row: f'{1000 * row.cost["seconds"]:.1f}' if 'seconds' in row.cost else ''),
    ]
    lines = [f'### {heading}', '']
    lines += _markdown([title for title, _ in columns], [[cell(row) for _, cell in columns] for row in rows])
    claims = [claim for claim in benchmark.claims if claim[0] in by_name and claim[1] in by_name]
    if claims:
        known = any(gap is not None for _, _, gap in claims)
        head = ['claim', 'as published', 'here, PSNR [95 %]'] if known else ['comparison', 'PSNR [95 %]']
        compared = []
        for better, worse, gap in claims:
            pair = by_name[better], by_name[worse]
            published = ['' if gap is None else f'{gap:+.2f} dB'] if known else []
            measured = [f'{_interval(difference(*pair))} dB', _interval(difference(*pair, 'SSIM'), 4)]
            compared.append([f'{pair[0].method.label} over {pair[1].method.label}', *published, *measured])
        lines += ['', *_markdown([*head, 'SSIM [95 %]'], compared)]
    return [*lines, '']


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    first, *others = ('| ' + ' | '.join(cells) + ' |' for cells in (head, *rows))
    return [first, '|' + '---|' * len(head), *others]


def chart(rows: Sequence[Row], title: str, path: Path) -> Path:
    """Draw PSNR and SSIM of each method as dots, the range over the seeds as whiskers, published values as marks.

    Dots instead of bars, because the axes do not begin at 0. Oracles are omitted unless all rows are oracles.

    Args:
        rows: One row per method.
        title: Title of the chart.
        path: File of the chart.

    Returns:
        ``path``.
    """
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    rows = ([row for row in rows if not row.method.oracle] or list(rows))[::-1]
    places = np.arange(len(rows))
    figure, axes = pyplot.subplots(1, 2, sharey=True, figsize=(11, 1.2 + 0.38 * len(rows)), layout='constrained')
    for index, (axis, key, unit) in enumerate(zip(axes, ('PSNR', 'SSIM'), (' (dB)', ''), strict=True)):
        values = np.array([row.mean(key) for row in rows], dtype=float)
        whiskers = np.array([row.spread(key) or (value, value) for row, value in zip(rows, values, strict=True)])
        errors = np.abs(whiskers.T - values)
        axis.errorbar(values, places, xerr=errors if errors.any() else None, fmt='o', capsize=3, label='here')
        published = [(place, row.method.paper[index]) for place, row in zip(places, rows, strict=True)
                     if row.method.paper]  # fmt: skip
        if published:
            axis.plot(*zip(*((value, place) for place, value in published), strict=True), 'k|', ms=14, mew=2,
                      label='paper')  # fmt: skip
        known = [*values[np.isfinite(values)], *(value for _, value in published)]
        margin = 0.1 * (max(known) - min(known)) or 1
        axis.set_xlim(min(known) - margin, max(known) + margin)
        axis.set_xlabel(f'{key}{unit}, RGB, no crop')
        axis.set_yticks(places, [row.method.label for row in rows])
        axis.grid(alpha=0.4)
        axis.set_axisbelow(True)
    if any(row.method.paper for row in rows):
        figure.legend(*axes[0].get_legend_handles_labels(), loc='outside upper right', ncols=2)
    figure.suptitle(title)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path


def figure(rows: Sequence[Row], truth: Mapping[str, Path], roi: tuple[int, int, int, int], path: Path) -> Path:
    """Draw a sheet with one column per method and the ground truth last; a region is enlarged under each face.

    Args:
        rows: One row per method; the restored images of the first seed are shown.
        truth: Name of a face -> its file.
        roi: The region: x0, y0, x1, y1 in pixels of the restored face, half open.
        path: File of the sheet.

    Returns:
        ``path``.
    """
    titles = [*(_two_lines(row.method.label) for row in rows), TITLES['H']]
    lines: list[list[np.ndarray | None]] = []
    names: list[str] = []
    for name, file in truth.items():
        files = [*(next(iter(row.folders.values())) / 'restored' / f'{name}.png' for row in rows), file]
        images = [Image.open(file).convert('RGB') for file in files]
        enlarged: list[np.ndarray | None] = [np.asarray(image.crop(roi)) for image in images]
        ImageDraw.Draw(images[0]).rectangle((roi[0], roi[1], roi[2] - 1, roi[3] - 1), outline=FRAME)
        lines += [[np.asarray(image) for image in images], enlarged]
        names += [name, '']
    return image_sheet(lines, titles, path, names)


def _cell(row: Row, key: str, places: int) -> str:
    value = row.mean(key)
    if value is None:
        return ''
    spread = row.spread(key)
    return f'{value:.{places}f}' + (f' ({spread[0]:.{places}f}..{spread[1]:.{places}f})' if spread else '')


def _gap(row: Row, against: Row) -> str:
    return '' if row is against else _interval(difference(row, against))


def _interval(result: Mapping[str, Any], places: int = 2) -> str:
    return f'{result["difference"]:+.{places}f} [{result["low"]:+.{places}f}, {result["high"]:+.{places}f}]'


def _large(value: float | None) -> str:
    if not value:
        return '' if value is None else '0'
    for limit, unit in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if value >= limit:
            return f'{value / limit:.2f} {unit}'
    return f'{value:.0f}'


def _two_lines(label: str) -> str:
    """Break a long label near its middle, for the head of a narrow column."""
    breaks = [index for index, letter in enumerate(label) if letter in ' +-']
    if len(label) < 14 or not breaks:
        return label
    middle = min(breaks, key=lambda index: abs(index - len(label) / 2))
    return f'{label[:middle].rstrip()}\n{label[middle:].lstrip()}'
