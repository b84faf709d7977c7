"""Drops on glass: what a drop shows, where, how strong, and what stays untouched."""

import numpy as np
import pytest

from rainrestore.datasets.transforms.raindrops import REFRACTIVITY, RaindropsOnGlass
from rainrestore.errors import ConfigError
from rainrestore.registry import TRANSFORMS

ONE = dict(radius=(60, 60), blur=(0.05, 0.05), highlight=(0, 0))


def drops(image, name='a', **options):
    transform = TRANSFORMS.build(dict(type='RaindropsOnGlass', seed=0, **options))
    return transform({'gt': image, 'name': name})['img']


def ramp(side=512):
    """Brightness that grows from left to right, and from top to bottom in the second channel."""
    grey = np.linspace(0, 255, side).astype(np.uint8)
    return np.stack(
        [np.tile(grey, (side, 1)), np.tile(grey[:, None], (1, side)), np.full((side, side), 90, np.uint8)], 2
    )


def one_drop(image, contact, distance):
    """One round drop in the middle, its random parts set."""
    transform = RaindropsOnGlass(count=(1, 1), contact=(contact, contact), distance=(distance, distance), seed=0, **ONE)

    class Fixed:
        @staticmethod
        def integers(low, high):
            return low

        @staticmethod
        def uniform(low, high):
            # centres are drawn from 0 to the side; the drop's stretch, waves and phases are at their least
            return 256.0 if (low, high) == (0, 512) else low

    return transform.degrade(image, Fixed())[0]


@pytest.mark.parametrize('distance', [1.0, 6.0])
def test_drop_shows_what_the_prism_of_its_surface_turns_to(distance):
    """Snell's law for thin prisms, recomputed for pixels of the horizontal axis."""
    contact, image = 50.0, ramp()
    seen = one_drop(image, contact, distance)
    sine = np.sin(np.radians(contact))
    for offset in (-40, -20, 20, 40):
        rho = abs(offset) / 60
        tangent = rho * sine / np.sqrt(1 - (rho * sine) ** 2)
        source = 256 + offset - np.sign(offset) * distance * 60 * REFRACTIVITY * tangent
        assert seen[256, 256 + offset, 0] == pytest.approx(source * 255 / 511, abs=1.5)
    # far enough away, the scene stands on its head and is mirrored
    if distance > 3:
        assert seen[256, 230, 0] > seen[256, 282, 0]
        assert seen[230, 256, 1] > seen[282, 256, 1]


def test_the_scene_beside_the_drops_is_untouched():
    image = ramp()
    seen = one_drop(image, 50.0, 6.0)
    rows, columns = np.mgrid[:512, :512]
    beyond = np.hypot(rows - 256, columns - 256) > 64
    np.testing.assert_array_equal(seen[beyond], image[beyond])
    assert (seen[~beyond] != image[~beyond]).any(1).mean() > 0.8


def test_one_colour_stays_but_for_the_reflections():
    grey = np.full((128, 128, 3), 100, dtype=np.uint8)
    np.testing.assert_allclose(drops(grey, highlight=(0, 0)), 100, atol=1)
    bright = drops(grey, highlight=(0.5, 0.5)).astype(int) - 100
    assert bright.min() >= -1
    assert 60 < bright.max() <= 128
    # they are in the upper halves of the drops: on average above where the drops lie
    assert (bright > 20).any()


def test_more_drops_hide_more_and_add_to_those_that_are_there():
    image = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    hidden = [(drops(image, count=(n, n)) != image).any(2).mean() for n in (0, 10, 60)]
    assert hidden[0] == 0
    assert 0 < hidden[1] < hidden[2]
    sample = {'gt': image, 'img': drops(image, count=(10, 10)), 'name': 'b'}
    twice = RaindropsOnGlass(count=(10, 10), seed=0).transform(dict(sample))['img']
    assert (twice != image).any(2).mean() > (sample['img'] != image).any(2).mean()


@pytest.mark.parametrize('options', [dict(contact=(40, 90)), dict(count=(5, 2)), dict(radius=(0, 4)), dict(blur=3)])
def test_impossible_options_are_named(options):
    with pytest.raises(ConfigError, match=f'RaindropsOnGlass: {next(iter(options))}'):
        RaindropsOnGlass(**options)
