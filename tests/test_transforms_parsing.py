"""ParsingTarget: the area average against a plain loop in float64."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from rainrestore.datasets import PALETTE
from rainrestore.datasets.transforms import ParsingTarget


def loop_average(planes: np.ndarray, scale: int) -> np.ndarray:
    """Mean over each cell, H x W x C in float64, computed with loops."""
    height, width, channels = planes.shape
    out = np.zeros((height // scale, width // scale, channels))
    for row in range(height):
        for column in range(width):
            out[row // scale, column // scale] += planes[row, column]
    return out / scale**2


@pytest.mark.parametrize(('shape', 'scale'), [((128, 128), 4), ((24, 40), 4), ((12, 18), 3), ((5, 7), 1), ((16, 8), 8)])
def test_onehot_equals_the_area_average(shape, scale):
    mask = np.random.default_rng(scale).integers(0, 19, shape, dtype=np.uint8)
    got = ParsingTarget(scale=scale)(dict(mask=mask))['parsing']
    planes = np.stack([mask == label for label in range(19)], axis=2).astype(np.float64)
    np.testing.assert_allclose(got, loop_average(planes, scale), atol=1e-7)
    np.testing.assert_allclose(got.sum(axis=2), 1, atol=1e-6)
    assert got.dtype == np.float32 and got.shape == (shape[0] // scale, shape[1] // scale, 19)


def test_palette_equals_the_area_average_of_the_colours():
    mask = np.random.default_rng(0).integers(0, 19, (24, 40), dtype=np.uint8)
    got = ParsingTarget(kind='palette')(dict(mask=mask))['parsing']
    np.testing.assert_allclose(got, loop_average(PALETTE[mask] / 255.0, 4), atol=1e-6)
    assert got.dtype == np.float32 and got.shape == (6, 10, 3)


def test_skin_is_red_in_the_palette():
    skin = ParsingTarget(kind='palette')(dict(mask=np.ones((8, 8), np.uint8)))['parsing']
    np.testing.assert_allclose(skin, np.broadcast_to([204 / 255, 0, 0], (2, 2, 3)), atol=1e-6)


def test_face_without_mask_is_unchanged():
    assert ParsingTarget()(dict(name='a')) == dict(name='a')


def test_face_without_mask_can_be_filled_as_unannotated():
    filled = ParsingTarget(fill=True)(dict(gt=np.ones((24, 40, 3), np.uint8), label_valid=np.ones(19, bool)))
    assert filled['parsing'].shape == (6, 10, 19) and filled['parsing'].dtype == np.float32
    assert not filled['parsing'].any() and not filled['label_valid'].any()
    mask = np.ones((8, 8), np.uint8)
    np.testing.assert_array_equal(ParsingTarget(fill=True)(dict(mask=mask))['parsing'][..., 1], 1)


def test_mask_is_not_changed():
    mask = np.random.default_rng(0).integers(0, 19, (8, 8), dtype=np.uint8)
    before = mask.copy()
    np.testing.assert_array_equal(ParsingTarget()(dict(mask=mask))['mask'], before)


def test_invalid_input_is_refused():
    with pytest.raises(ValueError, match='30x32 mask is not divisible by scale 4'):
        ParsingTarget()(dict(mask=np.zeros((32, 30), np.uint8)))
    with pytest.raises(ValueError, match=r'contains label 19, expected 0\.\.18'):
        ParsingTarget()(dict(mask=np.full((8, 8), 19, np.uint8)))
    with pytest.raises(ValueError, match="kind must be 'onehot' or 'palette'"):
        ParsingTarget(kind='color')
    with pytest.raises(ValueError, match='fill needs'):
        ParsingTarget(kind='palette', fill=True)
    with pytest.raises(ValueError, match='scale must be at least 1'):
        ParsingTarget(scale=0)


def test_transform_can_be_pickled():
    mask = np.zeros((8, 8), np.uint8)
    again = pickle.loads(pickle.dumps(ParsingTarget(kind='palette')))
    np.testing.assert_array_equal(again(dict(mask=mask))['parsing'], 0)
