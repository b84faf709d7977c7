"""Drops on glass: image in a drop, position, strength, focus, and pixels without drops."""

import numpy as np
import pytest

from rainrestore.datasets.transforms import PackFaceInputs
from rainrestore.datasets.transforms.raindrops import REFRACTIVITY, Drops, RaindropsOnGlass, render_drops
from rainrestore.errors import ConfigError
from rainrestore.registry import TRANSFORMS


def drops(image, name='a', seed=0, **options):
    transform = TRANSFORMS.build(dict(type='RaindropsOnGlass', seed=seed, **options))
    return transform({'gt': image, 'name': name})


def ramp(side=512):
    """Brightness that grows from left to right, and from top to bottom in the second channel."""
    grey = np.linspace(0, 255, side).astype(np.uint8)
    return np.stack(
        [np.tile(grey, (side, 1)), np.tile(grey[:, None], (1, side)), np.full((side, side), 90, np.uint8)], 2
    )


def round_drop(side=512, radius=60.0, contact=50.0, distance=6.0, brightness=0.0, sharp=True):
    """One round drop in the middle."""
    values = dict(
        x=side / 2, y=side / 2, radius=radius, stretch=1.0, amplitude=np.zeros(3), phase=np.zeros(3),
        sine=np.sin(np.radians(contact)), distance=distance, brightness=brightness, highlight=0.0, sharp=sharp,
    )  # fmt: skip
    return Drops(**{name: np.array([value]) for name, value in values.items()})


@pytest.mark.parametrize('distance', [1.0, 6.0])
def test_drop_refracts_the_scene_like_a_thin_prism(distance):
    """Snell's law for thin prisms, recomputed for pixels of the horizontal axis."""
    contact, image = 50.0, ramp()
    seen, _ = render_drops(image, round_drop(contact=contact, distance=distance), defocus=0)
    sine = np.sin(np.radians(contact))
    for offset in (-40, -20, 20, 40):
        rho = abs(offset) / 60
        tangent = rho * sine / np.sqrt(1 - (rho * sine) ** 2)
        source = 256 + offset - np.sign(offset) * distance * 60 * REFRACTIVITY * tangent
        assert seen[256, 256 + offset, 0] == pytest.approx(source * 255 / 511, abs=1.5)
    # at a large distance, the scene appears upside down and mirrored
    if distance > 3:
        assert seen[256, 230, 0] > seen[256, 282, 0]
        assert seen[230, 256, 1] > seen[282, 256, 1]


def test_scene_beside_a_focused_drop_is_unchanged():
    image = ramp()
    seen, mask = render_drops(image, round_drop(), defocus=0)
    rows, columns = np.mgrid[:512, :512]
    away = np.hypot(rows - 256, columns - 256)
    np.testing.assert_array_equal(seen[away > 61], image[away > 61])
    np.testing.assert_allclose(mask, np.clip(60.5 - away, 0, 1), atol=1e-5)


@pytest.mark.parametrize('radius', [4.0, 30.0])
def test_defocused_mask_equals_the_mean_over_the_aperture(radius):
    """The convolution with a disc, recomputed as the mean of the mask shifted to each point of the aperture."""
    aperture = 10
    image = np.full((128, 128, 3), 100, np.uint8)
    _, sharp = render_drops(image, round_drop(128, radius), defocus=0)
    _, soft = render_drops(image, round_drop(128, radius, sharp=False), defocus=aperture)
    shifts = [(a, b) for a in range(-11, 12) for b in range(-11, 12) if np.hypot(a, b) <= aperture]
    mean = np.mean([np.roll(sharp, shift, (0, 1)) for shift in shifts], 0)
    np.testing.assert_allclose(soft, mean, atol=0.04)
    assert soft.sum() == pytest.approx(sharp.sum(), rel=1e-4)
    # a drop smaller than the aperture is a faint disc with the share (r / c)^2; a larger drop is opaque in the middle
    assert soft[64, 64] == pytest.approx(min((radius / aperture) ** 2, 1), abs=0.03)


@pytest.mark.parametrize('defocus', [0.0, 6.0])
def test_uniform_scene_changes_only_in_brightness(defocus):
    """I = (1 - M) B + R. Without brightness R = M B; with brightness the bottom of a drop is brighter."""
    grey = np.full((128, 128, 3), 100, dtype=np.uint8)
    one = {'side': 128, 'radius': 25.0, 'sharp': False}
    plain, _ = render_drops(grey, round_drop(**one), defocus)
    np.testing.assert_allclose(plain, 100, atol=1e-3)
    lifted, mask = render_drops(grey, round_drop(**one, brightness=0.5), defocus)
    added = lifted[..., 0] - 100
    assert added.min() > -1e-3
    assert added[80, 64] > 1.5 * added[48, 64] > 10
    assert added.max() <= 0.5 * 155
    assert (added[mask == 0] == 0).all()


@pytest.mark.parametrize('part', [0.05, 0.3, 0.5])
def test_drops_cover_the_given_fraction_at_any_size(part):
    """The mean over images, before defocus. Lengths scale with the side, so the number of drops does not change."""
    counts = {}
    for side in (128, 256):
        image = np.zeros((side, side, 3), np.uint8)
        made = [
            drops(image, seed=seed, coverage=(part, part), defocus=(0, 0), blur=(0, 0), radius=(6, 30))
            for seed in range(40)
        ]
        assert np.mean([sample['drop_mask'].mean() / 255 for sample in made]) == pytest.approx(part, abs=0.04)
        counts[side] = np.mean([sample['degradations'][0]['count'] for sample in made])
    assert counts[128] == pytest.approx(counts[256], rel=0.15)


def test_zero_coverage_has_no_drop_and_more_coverage_adds_drops():
    image = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (256, 200, 3), dtype=np.uint8)
    none = drops(image, coverage=(0, 0))
    np.testing.assert_array_equal(none['img'], image)
    assert not none['drop_mask'].any()
    once = drops(image, coverage=(0.1, 0.1))
    assert once['drop_mask'].shape == image.shape[:2]
    assert np.abs(once['img'].astype(int) - image)[once['drop_mask'] == 0].max() <= 1
    second = drops(image, name='b', coverage=(0.2, 0.2))['drop_mask']
    twice = RaindropsOnGlass(coverage=(0.2, 0.2), seed=0).transform({**once, 'name': 'b'})
    left = (1 - once['drop_mask'] / 255) * (1 - second / 255)
    np.testing.assert_allclose(twice['drop_mask'] / 255, 1 - left, atol=0.5 / 255 + 1e-6)
    assert len(twice['degradations']) == 2


def test_drop_mask_is_packed_for_the_loss():
    sample = drops(ramp(64))
    packed = PackFaceInputs().transform(sample)['data_samples']
    np.testing.assert_array_equal(packed.drop_mask.numpy(), sample['drop_mask'][None])


@pytest.mark.parametrize(
    'options',
    [
        dict(contact=(40, 90)), dict(coverage=(0.5, 0.2)), dict(coverage=(0, 1)), dict(radius=(0, 4)), dict(blur=3),
        dict(sharp=(0, 2)), dict(brightness=(0, 1.5)), dict(defocus=(-1, 2)),
    ],
)  # fmt: skip
def test_invalid_options_are_named(options):
    with pytest.raises(ConfigError, match=f'RaindropsOnGlass: {next(iter(options))}'):
        RaindropsOnGlass(**options)
