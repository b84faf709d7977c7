"""FlipFace mirrors image and labels together, with the given probability."""

from __future__ import annotations

import numpy as np
import pytest

from rainrestore.datasets.transforms import FlipFace


def sample() -> dict:
    gt = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    mask = np.zeros((4, 6), dtype=np.uint8)
    mask[1] = [5, 5, 0, 1, 4, 4]  # right eye at the left of the image, left eye at its right
    mask[2] = [9, 7, 2, 13, 6, 8]
    return dict(gt=gt, mask=mask)


def test_flip_mirrors_the_image_and_swaps_left_and_right_labels():
    before, after = sample(), FlipFace(prob=1)(sample())
    for column in range(6):
        np.testing.assert_array_equal(after['gt'][:, column], before['gt'][:, 5 - column])
    assert after['mask'][1].tolist() == [5, 5, 1, 0, 4, 4]
    assert after['mask'][2].tolist() == [9, 7, 13, 2, 6, 8]
    assert after['flip'] is True
    assert after['gt'].flags.c_contiguous and after['mask'].flags.c_contiguous


def test_prob_zero_changes_nothing():
    after = FlipFace(prob=0)(sample())
    np.testing.assert_array_equal(after['gt'], sample()['gt'])
    np.testing.assert_array_equal(after['mask'], sample()['mask'])
    assert after['flip'] is False


def test_prob_is_the_share_of_flips_and_the_seed_selects_them():
    def draws() -> list[bool]:
        np.random.seed(3)
        flip = FlipFace(prob=0.25)
        return [flip(sample())['flip'] for _ in range(2000)]

    first = draws()
    assert first == draws()
    assert abs(np.mean(first) - 0.25) < 0.04


def test_face_without_mask_is_flipped():
    assert 'mask' not in FlipFace(prob=1)(dict(gt=sample()['gt']))


def test_flip_after_the_rain_is_refused():
    with pytest.raises(ValueError, match='put FlipFace before'):
        FlipFace()(dict(sample(), img=np.zeros((2, 2, 3), np.uint8)))


@pytest.mark.parametrize('prob', [-0.1, 1.1])
def test_invalid_probability_is_refused(prob):
    with pytest.raises(ValueError, match=r'prob must be in \[0, 1\]'):
        FlipFace(prob=prob)
