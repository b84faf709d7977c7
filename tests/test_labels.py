"""Labels: their order, their left-right pairs, their colours."""

from __future__ import annotations

import numpy as np

from rainrestore.labels import FLIP_PAIRS, LABELS, PALETTE, PORTRAIT_LABELS, flip_labels


def test_flip_pairs_are_all_left_right_names():
    sided = {name[2:]: index for index, name in enumerate(LABELS) if name in ('l_eye', 'l_brow', 'l_ear')}
    expected = {(left, LABELS.index(f'r_{part}')) for part, left in sided.items()}
    assert set(FLIP_PAIRS) == expected


def test_flip_of_a_known_mask_is_exact():
    mask = np.array([[4, 0, 0, 5], [6, 1, 2, 7], [8, 3, 13, 9], [10, 11, 12, 18]], dtype=np.uint8)
    mirrored = np.array([[4, 0, 0, 5], [6, 2, 1, 7], [8, 13, 3, 9], [18, 12, 11, 10]], dtype=np.uint8)
    np.testing.assert_array_equal(flip_labels(mask), mirrored)


def test_double_flip_restores_the_mask_and_keeps_the_input():
    mask = np.random.default_rng(0).integers(0, 19, (8, 12), dtype=np.uint8)
    before = mask.copy()
    np.testing.assert_array_equal(flip_labels(flip_labels(mask)), before)
    np.testing.assert_array_equal(mask, before)


def test_left_eye_stays_on_the_right_of_a_flipped_image():
    mask = np.zeros((4, 8), dtype=np.uint8)
    mask[1, 5:7] = LABELS.index('l_eye')
    mask[1, 1:3] = LABELS.index('r_eye')
    mirrored = flip_labels(mask)
    assert np.nonzero(mirrored == LABELS.index('l_eye'))[1].min() >= 4
    assert np.nonzero(mirrored == LABELS.index('r_eye'))[1].max() < 4


def test_each_label_has_its_own_colour():
    assert len(LABELS) == len(PALETTE) == len({tuple(colour) for colour in PALETTE.tolist()}) == 19
    assert [LABELS[label] for label in PORTRAIT_LABELS] == [
        'background', 'skin', 'nose', 'l_eye', 'r_eye', 'l_brow', 'r_brow', 'mouth', 'u_lip', 'l_lip',
    ]  # fmt: skip
