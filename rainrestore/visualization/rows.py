"""From a data sample to a row of pictures: input, restored face, ground truth and the predicted maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from rainrestore.labels import NUM_LABELS, PALETTE
from rainrestore.visualization.sheets import TITLES

Sample = Mapping[str, Any]

_SHOWN = {'I': 'input', 'H^': 'pred_img', 'H': 'truth', 'J': 'lr_img', 'S': 'streak', 'T': 'transmission',
          'A': 'airlight', 'F': 'parsing', 'M': 'drop_mask'}  # fmt: skip
#: Column title -> where the picture is: the key in ``output``, or ``input`` and ``truth``.
COLUMNS: dict[str, str] = {title: _SHOWN[letter] for letter, title in TITLES.items() if letter in _SHOWN}
#: As :data:`COLUMNS`, of what a pipeline feeds: the key in the data sample, or ``input``.
FED_COLUMNS: dict[str, str] = {
    title: 'gt_img' if key == 'truth' else key for title, key in COLUMNS.items() if key != 'pred_img'
}
BOX_COLOURS = ((255, 220, 0), (0, 230, 255), (255, 80, 200), (120, 255, 90))


def to_picture(values: Tensor) -> np.ndarray:
    """C x H x W (C = 1 or 3), uint8 or float in [0, 1], to H x W x 3 uint8; one channel becomes grey."""
    if values.is_floating_point():
        values = (values.detach().float().cpu().clamp(0, 1) * 255).round()
    picture = values.cpu().numpy().astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))


def parsing_picture(parsing: Tensor) -> np.ndarray:
    """19 x h x w scores to the colour of the likeliest label, 3 x h x w colours in [0, 1] as they are; uint8 RGB."""
    if len(parsing) != NUM_LABELS:
        return to_picture(parsing)
    return PALETTE[parsing.argmax(0).cpu().numpy()]


def enlarge(picture: np.ndarray, size: tuple[int, int], nearest: bool = False) -> np.ndarray:
    """H x W x 3 uint8 at ``size`` (height, width): bicubic, or nearest for labels."""
    how = Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), how))


def sample_pictures(inputs: Tensor | None, sample: Sample) -> dict[str, np.ndarray]:
    """The pictures of one prediction under the titles of :data:`COLUMNS`, each at the size of the largest.

    Args:
        inputs: I, 3 x h x w, uint8 or float in [0, 1]; None leaves that column out.
        sample: The data sample as a dictionary, with ``output`` and, where known, ``gt_img``.
    """
    output = sample.get('output', {})
    found: dict[str, np.ndarray] = {}
    for title, key in COLUMNS.items():
        if key == 'input':
            if inputs is not None:
                found[title] = to_picture(inputs)
        elif key == 'truth':
            if 'gt_img' in sample:
                found[title] = to_picture(sample['gt_img'])
        elif key == 'parsing':
            if key in output:
                found[title] = parsing_picture(output[key])
        elif key in output:
            found[title] = to_picture(output[key] / 255 if key == 'pred_img' else output[key])
    size = max((picture.shape[:2] for picture in found.values()), default=(1, 1))
    return {
        title: enlarge(picture, size, nearest=COLUMNS[title] in ('parsing', 'airlight'))
        for title, picture in found.items()
    }


def sheet_rows(
    inputs: Sequence[Tensor | None], samples: Sequence[Sample]
) -> tuple[list[list[np.ndarray | None]], list[str], list[str]]:
    """Rows, column titles and row titles (the samples' names) of a sheet; empty columns are left out."""
    pictures = [sample_pictures(*pair) for pair in zip(inputs, samples, strict=True)]
    titles = [title for title in COLUMNS if any(title in row for row in pictures)]
    rows = [[row.get(title) for title in titles] for row in pictures]
    return rows, titles, [str(sample.get('name', '')) for sample in samples]


def with_boxes(picture: np.ndarray, boxes: Mapping[str, Sequence[int]]) -> np.ndarray:
    """H x W x 3 uint8 with the outline of each half-open box x0, y0, x1, y1 in its own colour.

    Raises:
        ValueError: A box leaves the picture.
    """
    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for index, (name, (x0, y0, x1, y1)) in enumerate(boxes.items()):
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ValueError(f'the box {name} {[x0, y0, x1, y1]} leaves the face of {width}x{height} pixels')
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=BOX_COLOURS[index % len(BOX_COLOURS)])
    return np.asarray(image)


def fed_rows(
    inputs: Sequence[Tensor], samples: Sequence[Sample], boxes: Mapping[str, Sequence[int]] | None = None
) -> tuple[list[list[np.ndarray | None]], list[str], list[str]]:
    """As :func:`sheet_rows`, for the output of a pipeline, without predictions.

    Args:
        inputs: I, 3 x h x w, uint8 or float in [0, 1].
        samples: The data samples as dictionaries: ``gt_img`` and whatever of J, S, T, A and F they have.
        boxes: Drawn on the truth, in its pixels.

    Raises:
        ValueError: A box leaves the picture.
    """
    rows = []
    for picture, sample in zip(inputs, samples, strict=True):
        fields = {**sample, 'input': picture}
        found = {
            title: (parsing_picture if key == 'parsing' else to_picture)(fields[key])
            for title, key in FED_COLUMNS.items()
            if key in fields
        }
        if boxes and TITLES['H'] in found:
            found[TITLES['H']] = with_boxes(found[TITLES['H']], boxes)
        size = max(shown.shape[:2] for shown in found.values())
        rows.append({
            title: enlarge(shown, size, nearest=FED_COLUMNS[title] in ('parsing', 'airlight'))
            for title, shown in found.items()
        })  # fmt: skip
    titles = [title for title in FED_COLUMNS if any(title in row for row in rows)]
    return [[row.get(title) for title in titles] for row in rows], titles, [
        str(sample.get('name', '')) for sample in samples
    ]  # fmt: skip
