"""Rain and haze on scenes: the equation, a given depth, independent random draws."""

import numpy as np
import pytest

from rainrestore.datasets.transforms.rain_and_haze import smooth_depth
from rainrestore.physics import RainRanges, draw_scene, seeded_rng
from rainrestore.registry import TRANSFORMS


def image(height=48, width=64):
    return np.random.Generator(np.random.PCG64(0)).integers(0, 256, (height, width, 3), dtype=np.uint8)


def build(**options):
    return TRANSFORMS.build(dict(type='RainAndHaze', **options))


def test_output_equals_the_equation_for_a_given_depth():
    gt, depth = image(), np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))
    sample = build(seed=3)({'gt': gt, 'depth': depth, 'name': 'a'})
    scene = draw_scene(gt.astype(np.float32) / np.float32(255), RainRanges(), seeded_rng(3, 'a'))
    J, S, A = (value.astype(np.float64) for value in (scene.J, scene.S, scene.A))
    T = np.exp(-scene.params['beta'] * depth.astype(np.float64))[..., None]
    assert np.abs(sample['img'] - 255 * (T * (J + S) + (1 - T) * A)).max() < 0.51
    assert sample['rain']['transmission'] == pytest.approx([T.min(), 1])
    # depth 0 means no haze
    dry = build(seed=3, ranges=dict(layers=0))({'gt': gt, 'depth': depth, 'name': 'a'})['img']
    np.testing.assert_array_equal(dry[:, 0], gt[:, 0])
    assert dry[:, -8:].std() < 0.7 * gt[:, -8:].std()


def test_random_depth_is_smooth_and_larger_at_the_top():
    depths = [smooth_depth(64, 96, seeded_rng(0, str(n))) for n in range(20)]
    for depth in depths:
        assert depth.shape == (64, 96)
        assert depth.dtype == np.float32
        assert 0 <= depth.min() < depth.max() <= 1
        assert max(np.abs(np.diff(depth, axis=axis)).max() for axis in (0, 1)) < 0.1
    assert np.mean([depth[:16].mean() - depth[-16:].mean() for depth in depths]) > 0.4


def test_seeded_weather_depends_on_the_name():
    gt = image()
    first, again, other = (build(seed=1)({'gt': gt, 'name': name})['img'] for name in 'aab')
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (build()({'gt': gt})['img'] != build()({'gt': gt})['img']).any()


@pytest.mark.parametrize(
    ('sample', 'error', 'message'),
    [
        ({'name': 'a'}, KeyError, "no 'gt'"),
        ({'gt': image()}, KeyError, "no 'name'"),
        ({'gt': image(), 'name': 'a', 'depth': np.zeros((4, 4))}, ValueError, "'depth' must be 48x64"),
        ({'gt': image(), 'name': 'a', 'depth': np.full((48, 64), 2.0)}, ValueError, r'in \[2, 2\]'),
    ],
)
def test_invalid_samples_are_named(sample, error, message):
    with pytest.raises(error, match=message):
        build(seed=1)(sample)
