"""The degradations of face renovation: sizes, known answers, recorded strengths, independent random draws."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from rainrestore.datasets.transforms import Degradation
from rainrestore.errors import ConfigError
from rainrestore.registry import TRANSFORMS

TRANSFORMS.import_from_location()
DEGRADATIONS = sorted(
    name
    for name, part in TRANSFORMS.module_dict.items()
    if isinstance(part, type) and issubclass(part, Degradation) and part is not Degradation
)


def image(height=64, width=64, seed=0):
    """Smooth colours, which noise changes and a blur hardly changes."""
    rng = np.random.Generator(np.random.PCG64(seed))
    small = rng.integers(40, 216, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def build(name, **options):
    return TRANSFORMS.build(dict(type=name, **options))


def degrade(kind, gt=None, name='a', **options):
    return build(kind, **options)({'gt': image() if gt is None else gt, 'name': name})


@pytest.mark.parametrize('name', DEGRADATIONS)
@pytest.mark.parametrize(('height', 'width'), [(64, 64), (37, 90), (3, 5)])
def test_degradation_keeps_the_size_and_the_ground_truth(name, height, width):
    gt = image(height, width)
    before = gt.copy()
    sample = degrade(name, gt, seed=1)
    assert sample['img'].shape == gt.shape
    assert sample['img'].dtype == np.uint8
    np.testing.assert_array_equal(sample['gt'], before)
    assert sample['degradations']


@pytest.mark.parametrize('name', DEGRADATIONS)
def test_seeded_draws_depend_on_the_name(name):
    first, again, other = (degrade(name, seed=3, name=face) for face in ('a', 'a', 'b'))
    np.testing.assert_array_equal(first['img'], again['img'])
    assert first['degradations'] == again['degradations']
    if name != 'Mosaic':
        assert first['degradations'] != other['degradations']
        assert degrade(name)['degradations'] != degrade(name)['degradations']


@pytest.mark.parametrize('name', DEGRADATIONS)
def test_missing_fields_are_named(name):
    with pytest.raises(KeyError, match=f"{name}.*'gt'"):
        build(name)({'name': 'a'})
    with pytest.raises(KeyError, match=f"{name}.*'name'"):
        build(name, seed=1)({'gt': image()})
    with pytest.raises(ValueError, match=f'{name}: seed'):
        TRANSFORMS.get(name)(seed=1.5)


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('DownsampleAndBack', dict(ratio=(0.5, 0.1)), 'ratio must ascend'),
        ('DownsampleAndBack', dict(ratio=0.5), 'ratio: must be of type tuple'),
        ('AdditiveNoise', dict(kinds=['salt']), 'kinds must be from'),
        ('AdditiveNoise', dict(sigma=(-1, 3)), 'sigma must ascend'),
        ('JPEGArtefacts', dict(compression=(50, 100)), 'at most 99'),
        ('Mosaic', dict(block=0), 'block must ascend'),
        ('MotionOrDefocusBlur', dict(length=(5, float('nan'))), 'length must ascend'),
        ('Sharpening', dict(amount=(-1, 1)), 'amount must ascend'),
        ('Sharpening', dict(sigma=(0, 1)), 'sigma must ascend'),
        ('MixedDegradation', dict(steps=[dict(type='FlipFace')]), 'steps must be degradations'),
        ('MixedDegradation', dict(steps=[]), 'at least one'),
        ('MixedDegradation', dict(single=1.5), 'single must be a probability, 0 to 1, got 1.5'),
    ],
)
def test_invalid_options_are_named(name, options, message):
    with pytest.raises(ConfigError, match=message):
        build(name, **options)


def test_mosaic_equals_the_mean_of_each_block():
    gt = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (70, 64, 3), dtype=np.uint8)
    # 64 of 512 pixels: a block of 16 becomes a block of 2; the last row of blocks is complete
    mosaic = degrade('Mosaic', gt)['img']
    wanted = gt.reshape(35, 2, 32, 2, 3).astype(float).mean((1, 3))
    np.testing.assert_allclose(mosaic[::2, ::2], wanted, atol=0.5)
    assert (mosaic[::2] == mosaic[1::2]).all()
    odd = degrade('Mosaic', gt[:65], block=16 * 512 / 64)['img']
    np.testing.assert_allclose(odd[64, 0], gt[64, :16].astype(float).mean(0), atol=0.5)


@pytest.mark.parametrize(('kind', 'strength', 'deviation'), [
    ('gaussian', 20.0, 20.0), ('laplace', 20.0, 20.0 * 2**0.5), ('poisson', 16.0, (16.0**2 + 16.0) ** 0.5)
])  # fmt: skip
def test_noise_has_the_recorded_deviation(kind, strength, deviation):
    grey = np.full((256, 256, 3), 128, dtype=np.uint8)
    ranges = dict(sigma=(strength, strength), lam=(strength, strength))
    noise = degrade('AdditiveNoise', grey, kinds=[kind], seed=0, **ranges)['img'].astype(float) - 128
    assert abs(noise.mean()) < 0.3
    assert noise.std() == pytest.approx(deviation, rel=0.03)
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02


def test_blur_has_the_recorded_variance_at_any_size():
    """Second moments add: a motion of length l has l^2 / 12, a Gaussian 2 sigma^2. Both scale with the side."""
    for side in (256, 512):
        square = np.zeros((side, side, 3), dtype=np.uint8)
        middle = slice(side // 2 - 10, side // 2 + 11)
        square[middle, middle] = 255
        own = 2 * (21**2 - 1) / 12
        for name in 'abcdefgh':
            sample = degrade('MotionOrDefocusBlur', square, length=(60, 60), sigma=(12, 12), name=name, seed=0)
            spread = sample['img'][..., 0].astype(float)
            y, x = np.nonzero(spread)
            weight = spread[y, x] / spread.sum()
            moment = (weight * ((y - side // 2) ** 2 + (x - side // 2) ** 2)).sum() - own
            motion = sample['degradations'][0]['degradation'] == 'motion'
            wanted = (60**2 / 12 if motion else 2 * 12**2) * (side / 512) ** 2
            assert moment == pytest.approx(wanted, rel=0.06)


def test_downsampling_removes_detail_beyond_its_ratio():
    stripes = np.zeros((128, 128, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    flat = degrade('DownsampleAndBack', stripes, ratio=(0.25, 0.25))['img'][16:-16, 16:-16]
    np.testing.assert_allclose(flat, 127.5, atol=2)
    gt = image(128, 128)
    np.testing.assert_allclose(degrade('DownsampleAndBack', gt, ratio=(1, 1))['img'], gt, atol=1)


def test_jpeg_equals_pillow_at_the_recorded_quality(tmp_path):
    gt = image()
    sample = degrade('JPEGArtefacts', gt, compression=(70, 70))
    assert sample['degradations'] == [{'degradation': 'jpeg', 'quality': 30}]
    Image.fromarray(gt).save(tmp_path / 'a.jpg', quality=30)
    with Image.open(tmp_path / 'a.jpg') as stored:
        np.testing.assert_array_equal(sample['img'], np.asarray(stored))


def test_mixture_applies_each_step_once_in_changing_order():
    orders = set()
    for name in 'abcdefgh':
        drawn = [step['degradation'] for step in degrade('MixedDegradation', name=name, seed=0)['degradations']]
        orders.add(tuple('blur' if step in ('motion', 'defocus') else step for step in drawn))
    assert all(sorted(order) == ['blur', 'downsample', 'jpeg', 'noise'] for order in orders)
    assert len(orders) > 3


def test_mixture_does_one_step_alone_with_the_given_probability():
    counts = Counter()
    for name in range(400):
        drawn = degrade('MixedDegradation', single=0.5, name=str(name), seed=0)['degradations']
        counts[drawn[0]['degradation'] if len(drawn) == 1 else len(drawn)] += 1
    assert counts[4] == pytest.approx(200, abs=40)
    # Motion and defocus are one step.
    counts['blur'] = counts['motion'] + counts['defocus']
    assert all(counts[kind] == pytest.approx(50, abs=25) for kind in ('blur', 'noise', 'jpeg', 'downsample'))


def test_second_degradation_uses_the_image_of_the_first():
    sample = degrade('Mosaic', image(512, 512))
    again = build('AdditiveNoise', seed=0)(dict(sample))
    assert [step['degradation'] for step in again['degradations']] == ['mosaic', 'noise']
    assert np.abs(again['img'].astype(int) - sample['img']).mean() > 5


def test_sharpening_overshoots_at_edges_and_keeps_uniform_areas():
    edge = np.full((512, 512, 3), 100, dtype=np.uint8)
    edge[:, 256:] = 150
    assert (degrade('Sharpening', edge, amount=(0, 0), seed=0)['img'] == edge).all()
    sharp = degrade('Sharpening', edge, amount=(0.5, 0.5), sigma=(8, 8), seed=0)['img'].astype(float)
    # at the edge the Gaussian is the mean of both sides, 25 from each
    assert sharp[256, 256, 0] == pytest.approx(150 + 0.5 * 25, abs=1.5)
    assert sharp[256, 255, 0] == pytest.approx(100 - 0.5 * 25, abs=1.5)
    assert (sharp[:, :128] == 100).all() and (sharp[:, -128:] == 150).all()
