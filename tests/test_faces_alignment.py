"""The crop is that of CelebA-HQ, pasting inverts cutting, and other pixels of the photo do not change."""

import numpy as np
import pytest
from PIL import Image
from scenes import portrait, scene

from rainrestore.benchmark.scenes import background, crop_of
from rainrestore.errors import OptionError
from rainrestore.faces import FaceCrop, cut, paste, soft_mask
from rainrestore.image_io import read_mask


def test_formula_equals_that_of_celeba_hq() -> None:
    """Compared with the formula in FFHQ's tool, which uses half a side and quarter turns by swapped components."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        left, right, mouth = rng.uniform(0, 500, (3, 2))
        middle, across = (left + right) / 2, right - left
        down = mouth - middle
        x = across - np.flipud(down) * [-1, 1]
        x *= max(np.hypot(*across) * 2, np.hypot(*down) * 1.8) / np.hypot(*x)
        y = np.flipud(x) * [-1, 1]
        centre = middle + down * 0.1
        expected = [centre - x - y, centre + x - y, centre + x + y, centre - x + y]
        np.testing.assert_allclose(FaceCrop.from_landmarks(left, right, mouth).corners(), expected, atol=1e-9)


def test_crop_of_an_aligned_portrait_is_the_whole_portrait(portraits) -> None:
    """Eyes and mouth of the bundled faces come from their label maps. The formula gives the original crop."""
    corners = []
    for file in sorted((portraits / 'val' / 'mask').glob('*.png')):
        mask = read_mask(file)
        centre = {
            labels: np.argwhere(np.isin(mask, labels)).mean(0)[::-1] + 0.5 for labels in ((4,), (5,), (10, 11, 12))
        }
        # The person's left eye is on the image's right.
        corners.append(FaceCrop.from_landmarks(centre[5,], centre[4,], centre[10, 11, 12]).corners() / 128)
    frame = [[0, 0], [1, 0], [1, 1], [0, 1]]
    errors = np.sqrt(((np.array(corners) - frame) ** 2).sum(-1).mean(-1))
    assert len(errors) == 50
    assert errors.mean() < 0.03 and errors.max() < 0.08
    np.testing.assert_allclose(np.mean(corners, 0), frame, atol=0.02)


@pytest.mark.parametrize(
    ('points', 'message'),
    [
        (((5, 5), (5, 5), (5, 5)), 'a crop must have a side above 0'),
        (((0, 0), (float('nan'), 0), (0, 9)), 'right_eye must be a list, each item a finite number'),
        (((1, 1), (2,), (3, 3)), r'right_eye must be x, y, got \(2,\)'),
    ],
)
def test_impossible_landmarks_are_refused(points, message) -> None:
    with pytest.raises(OptionError, match=message):
        FaceCrop.from_landmarks(*points)


def test_crop_of_a_box_has_its_centre_and_size() -> None:
    crop = FaceCrop.from_box((19.5, 31.5, 78.1, 90.1))  # dlib's mean box in a crop of side 100
    np.testing.assert_allclose((crop.x, crop.y, crop.side), (48.8, 49.8, 100), atol=0.05)
    for box in ((5, 5, 5, 9), (9, 0, 5, 9), (5, 5, 5), (5, 5, 9, 9, 9)):
        with pytest.raises(OptionError, match='left < right and top < bottom'):
            FaceCrop.from_box(box)


def test_upright_crop_at_whole_pixels_is_a_copy() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    np.testing.assert_array_equal(cut(photo, crop_of((30, 20, 41))), photo[20:61, 30:71])
    for quarter in range(-2, 7):
        turned = FaceCrop(50.5, 40.5, 41, 90.0 * quarter)
        np.testing.assert_array_equal(cut(photo, turned), np.rot90(photo[20:61, 30:71], quarter))


def test_crop_beyond_the_border_mirrors_the_photo() -> None:
    photo = np.random.default_rng(1).integers(0, 256, (60, 60, 3), np.uint8)
    mirrored = np.pad(photo, ((12, 12), (12, 12), (0, 0)), 'reflect')
    np.testing.assert_array_equal(cut(photo, crop_of((-10, -8, 40))), mirrored[4:44, 2:42])
    np.testing.assert_array_equal(cut(photo, crop_of((30, 31, 40))), mirrored[43:83, 42:82])
    with pytest.raises(OptionError, match='outside of the photo of 60x60'):
        cut(photo, crop_of((90, 0, 20)))


@pytest.mark.parametrize('angle', [0, 17.5, -60, 90, 200])
def test_each_pixel_has_the_correct_origin(angle) -> None:
    """The values of the photo are its coordinates; OpenCV rounds them to 1/32 pixel."""
    x, y = np.meshgrid(np.arange(300) + 0.5, np.arange(200) + 0.5)
    photo = np.stack([x, y, np.zeros_like(x)], -1).astype(np.float32)
    crop = FaceCrop(140.3, 96.8, 60.4, angle)
    steps = (np.arange(60) + 0.5) / 60
    fractions = np.stack(np.meshgrid(steps, steps), -1)
    radians = np.radians(angle)
    right = np.array([np.cos(radians), np.sin(radians)])
    below = np.array([-right[1], right[0]])
    expected = (140.3, 96.8) + 60.4 * ((fractions[..., :1] - 0.5) * right + (fractions[..., 1:] - 0.5) * below)
    np.testing.assert_allclose(cut(photo, crop)[..., :2], expected, atol=0.06)
    np.testing.assert_allclose(crop.to_photo(fractions), expected, atol=1e-9)


@pytest.mark.parametrize('angle', [0, 30, -90, 135])
@pytest.mark.parametrize('side', [20.4, 57.0, 150.7])
def test_pasting_a_crop_restores_the_photo_up_to_rounding(angle, side) -> None:
    photo = background(220, 260)
    crop = FaceCrop(120.2, 101.7, side, angle)
    again = photo.copy()
    paste(again, cut(photo, crop), crop)
    assert np.abs(again.astype(int) - photo).max() <= 3


def test_only_the_circle_changes(portraits) -> None:
    photo = scene(160, 200, [(20, 30, 64)])
    crop = crop_of((100, 60, 80))
    pasted = photo.copy()
    paste(pasted, portrait(3), crop)
    changed = (pasted != photo).any(-1)
    rows, columns = np.nonzero(changed)
    radius = np.hypot(columns + 0.5 - crop.x, rows + 0.5 - crop.y)
    assert radius.max() <= 40 + 1
    # Inside, it is the face at the resolution of the photo, resized by Pillow.
    small = np.asarray(Image.fromarray(portrait(3)).resize((80, 80), Image.Resampling.BICUBIC)).astype(int)
    inner = np.hypot(*(np.mgrid[:80, :80] + 0.5 - 40)) < 29
    assert np.abs(pasted[60:140, 100:180].astype(int) - small)[inner].max() <= 1


def test_pasting_beyond_the_border_is_clipped() -> None:
    photo = background(60, 60)
    before = photo.copy()
    paste(photo, portrait(0), crop_of((40, -20, 50)))
    assert (photo != before).any() and (photo[45:] == before[45:]).all()
    before = photo.copy()
    paste(photo, portrait(0), crop_of((100, 100, 20)))
    np.testing.assert_array_equal(photo, before)


def test_mask_falls_smoothly_from_the_middle_to_the_border() -> None:
    mask = soft_mask(64)
    assert mask[32, 32] == 1 and mask[0].max() < 0.02 and mask[:, -1].max() < 0.02
    np.testing.assert_array_equal(mask, mask[::-1])
    np.testing.assert_array_equal(mask, mask.T)
    assert (np.diff(mask[32, :32]) >= 0).all() and np.diff(mask[32]).max() < 0.2


def test_part_inside_the_photo_is_measured() -> None:
    assert crop_of((10, 10, 50)).inside(100, 100) == 1
    assert crop_of((-25, 10, 50)).inside(100, 100) == 0.5
    assert crop_of((75, 75, 50)).inside(100, 100) == 0.25
