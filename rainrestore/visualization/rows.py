"""From a data sample to a row of pictures: what was seen, what was restored, what the networks made of the rain."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from rainrestore.datasets.labels import NUM_LABELS, PALETTE

Sample = Mapping[str, Any]

#: Column title -> where the picture is: the key in ``output``, or ``input`` and ``truth``.
COLUMNS: dict[str, str] = {
    'input I': 'input',
    'restored': 'pred_img',
    'truth': 'truth',
    'de-rained J': 'lr_img',
    'rain S': 'streak',
    'transmission T': 'transmission',
    'airlight A': 'airlight',
    'parsing F': 'parsing',
}


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
    """Rows, column titles and row titles (the samples' names) of a sheet; a column nobody fills is left out."""
    pictures = [sample_pictures(*pair) for pair in zip(inputs, samples, strict=True)]
    titles = [title for title in COLUMNS if any(title in row for row in pictures)]
    rows = [[row.get(title) for title in titles] for row in pictures]
    return rows, titles, [str(sample.get('name', '')) for sample in samples]
