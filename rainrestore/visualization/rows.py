"""Convert a data sample to a row of images: input, restored face, ground truth and the predicted maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from rainrestore.labels import NUM_LABELS, PALETTE
from rainrestore.visualization.sheets import TITLES

Sample = Mapping[str, Any]
#: Rows, column titles and row titles of a sheet.
Rows = tuple[list[list[np.ndarray | None]], list[str], list[str]]

_SHOWN = {'I': 'input', 'H^': 'pred_img', 'H': 'truth', 'J': 'lr_img', 'S': 'streak', 'T': 'transmission',
          'A': 'airlight', 'F': 'parsing', 'M': 'drop_mask'}  # fmt: skip
#: Column title -> the key in ``output``, or ``input``, or ``truth``.
COLUMNS: dict[str, str] = {title: _SHOWN[letter] for letter, title in TITLES.items() if letter in _SHOWN}
#: Titles of maps that are enlarged without interpolation.
NEAREST = (TITLES['A'], TITLES['F'])
BOX_COLOURS = ((255, 220, 0), (0, 230, 255), (255, 80, 200), (120, 255, 90))


def to_image(values: Tensor) -> np.ndarray:
    """C x H x W (C = 1 or 3), uint8 or float in [0, 1], to H x W x 3 uint8; one channel is repeated."""
    if values.is_floating_point():
        values = (values.detach().float().cpu().clamp(0, 1) * 255).round()
    image = values.cpu().numpy().astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def parsing_image(parsing: Tensor) -> np.ndarray:
    """19 x h x w scores to the colours of the argmax, or 3 x h x w colours in [0, 1]; to h x w x 3 uint8 RGB."""
    if len(parsing) != NUM_LABELS:
        return to_image(parsing)
    return PALETTE[parsing.argmax(0).cpu().numpy()]


def enlarge(image: np.ndarray, size: tuple[int, int], nearest: bool = False) -> np.ndarray:
    """Resize H x W x 3 uint8 to ``size`` (height, width): bicubic, or nearest for labels."""
    how = Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), how))


def sample_images(inputs: Tensor | None, sample: Sample) -> dict[str, np.ndarray]:
    """The images of one prediction, by the titles of :data:`COLUMNS`, all in the size of the largest.

    Args:
        inputs: I, 3 x h x w, uint8 or float in [0, 1]; None omits this column.
        sample: The data sample as a dict, with ``output`` and optionally ``gt_img``.
    """
    output = sample.get('output', {})
    fields = {'input': inputs, 'truth': sample.get('gt_img'), **output}
    if 'pred_img' in output:
        fields['pred_img'] = output['pred_img'] / 255
    return _in_one_size(_images(fields))


def _images(fields: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The images of the fields that are not None, by column title."""
    return {
        title: (parsing_image if key == 'parsing' else to_image)(fields[key])
        for title, key in COLUMNS.items()
        if fields.get(key) is not None
    }


def _in_one_size(images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Enlarge the images of a row to the size of the largest."""
    size = max((image.shape[:2] for image in images.values()), default=(1, 1))
    return {title: enlarge(image, size, nearest=title in NEAREST) for title, image in images.items()}


def sheet_rows(inputs: Sequence[Tensor | None], samples: Sequence[Sample]) -> Rows:
    """Rows, column titles and row titles (names of the samples) of a sheet; empty columns are omitted."""
    return _sheet([sample_images(*pair) for pair in zip(inputs, samples, strict=True)], samples)


def _sheet(images: Sequence[Mapping[str, np.ndarray]], samples: Sequence[Sample]) -> Rows:
    titles = [title for title in COLUMNS if any(title in row for row in images)]
    rows = [[row.get(title) for title in titles] for row in images]
    return rows, titles, [str(sample.get('name', '')) for sample in samples]


def with_boxes(image: np.ndarray, boxes: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Draw the outline of each half-open box x0, y0, x1, y1, each in another colour, on H x W x 3 uint8.

    Raises:
        ValueError: A box exceeds the image.
    """
    height, width = image.shape[:2]
    drawn = Image.fromarray(image)
    pen = ImageDraw.Draw(drawn)
    for index, (name, (x0, y0, x1, y1)) in enumerate(boxes.items()):
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ValueError(f'the box {name} {[x0, y0, x1, y1]} exceeds the face of {width}x{height} pixels')
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=BOX_COLOURS[index % len(BOX_COLOURS)])
    return np.asarray(drawn)


def fed_rows(
    inputs: Sequence[Tensor], samples: Sequence[Sample], boxes: Mapping[str, Sequence[int]] | None = None
) -> Rows:
    """:func:`sheet_rows` for the output of a pipeline, without predictions.

    Args:
        inputs: I, 3 x h x w, uint8 or float in [0, 1].
        samples: The data samples as dicts, with ``gt_img`` and optionally J, S, T, A and F.
        boxes: Boxes to draw on the ground truth, in its pixels.

    Raises:
        ValueError: A box exceeds the image.
    """
    rows = []
    for image, sample in zip(inputs, samples, strict=True):
        found = _images({**sample, 'input': image, 'truth': sample.get('gt_img'), 'pred_img': None})
        if boxes and TITLES['H'] in found:
            found[TITLES['H']] = with_boxes(found[TITLES['H']], boxes)
        rows.append(_in_one_size(found))
    return _sheet(rows, samples)
