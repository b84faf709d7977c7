"""BlindHeavyRain: every drawn parameter has an effect on the image."""

from typing import Any

import cv2
import numpy as np
import pytest

from rainrestore.errors import ConfigError, DatasetError
from rainrestore.physics import forward, quantise, shrink
from rainrestore.registry import TRANSFORMS

#: No rain, no lens, no camera: only reduction and resizing.
BARE: dict[str, Any] = dict(
    layers=(0, 0), lens=(), camera=(), kernels=('bicubic',), ranges=dict(beta=(0, 0), airlight=(1, 1))
)


def face(height: int = 128, width: int = 128) -> np.ndarray:
    noise = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3) // 2 + 60


def degrade(gt: np.ndarray | None = None, name: str = 'a', seed: int | None = 0, **options: Any) -> dict[str, Any]:
    transform = TRANSFORMS.build(dict(type='BlindHeavyRain', seed=seed, **options))
    return transform({'gt': face() if gt is None else gt, 'name': name})


@pytest.mark.parametrize(('height', 'width', 'scale'), [(128, 128, 4), (96, 160, 4), (64, 64, 2)])
def test_fields_equal_those_of_scale_aware_heavy_rain(height: int, width: int, scale: int) -> None:
    gt = face(height, width)
    sample = degrade(gt, scale=scale)
    known = TRANSFORMS.build(dict(type='ScaleAwareHeavyRain', scale=scale, seed=0))({'gt': gt, 'name': 'a'})
    for key in ('img', 'lr', 'streak', 'transmission', 'airlight'):
        assert sample[key].shape == known[key].shape and sample[key].dtype == known[key].dtype
        assert sample[key].min() >= 0 and sample[key].max() <= (255 if key == 'img' else 1)
    np.testing.assert_array_equal(sample['lr'], shrink(gt, scale))
    assert sample['rain']['ranges'] == 'rain_wide'


def test_without_degradations_the_face_is_only_reduced() -> None:
    sample = degrade(sides=(32, 32), **BARE)
    # Pillow's bicubic filter and the own one have the same kernel, in 8 bits and in float.
    assert np.abs(sample['img'].astype(int) - quantise(sample['lr'])).max() <= 1
    assert not sample['streak'].any() and (sample['transmission'] == 1).all()


def test_rain_at_the_network_size_equals_the_rain_model() -> None:
    sample = degrade(sides=(32, 32), **{**BARE, 'ranges': 'rain_wide', 'layers': (2, 2)})
    maps = (sample[key].astype(np.float64) for key in ('lr', 'streak', 'transmission', 'airlight'))
    assert np.abs(sample['img'] - 255 * forward(*maps)).max() <= 2
    assert len(sample['rain']['layers']) == 2 and sample['streak'].mean() > 0.01


def test_smaller_face_has_a_larger_error() -> None:
    gt = face()

    def error(side: int) -> float:
        sample = degrade(gt, sides=(side, side), **BARE)
        assert sample['degradations'] == [{'degradation': 'shrink', 'side': side, 'kernel': 'bicubic'}]
        return float(np.square(sample['img'] / 255 - sample['lr']).mean())

    assert error(16) > 4 * error(24) > 16 * error(32)


def test_every_option_changes_the_image() -> None:
    plain = degrade(sides=(32, 32), **BARE)['img'].astype(int)
    for change in (
        {'kernels': ('box',)},
        {'sides': (24, 24)},
        {'layers': (1, 1)},
        {'ranges': dict(beta=(1, 1), airlight=(0.9, 0.9))},
        {'lens': [dict(type='MotionOrDefocusBlur', length=(40, 40), sigma=(6, 6))]},
        {'camera': [dict(type='JPEGArtefacts', compression=(80, 80))]},
        {'camera': [dict(type='AdditiveNoise')]},
        {'grey': 1.0},
        {'ranges': dict(beta=(1, 1), airlight=(0.9, 0.9)), 'cast': (1, 1)},
    ):
        assert np.abs(degrade(**{'sides': (32, 32), **BARE, **change})['img'] - plain).mean() > 0.2, change


def test_draws_fill_their_ranges_and_depend_on_the_name() -> None:
    samples = [degrade(name=str(number)) for number in range(200)]
    shrunk = [next(d for d in s['degradations'] if d['degradation'] == 'shrink') for s in samples]
    assert {entry['side'] for entry in shrunk} == set(range(24, 49))
    assert {entry['kernel'] for entry in shrunk} == {'bilinear', 'bicubic', 'lanczos', 'box', 'hamming'}
    assert {len(sample['rain']['layers']) for sample in samples} == {0, 1, 2, 3}
    again = degrade(name='7')
    np.testing.assert_array_equal(again['img'], samples[7]['img'])
    assert len({sample['img'].tobytes() for sample in samples}) == 200


def test_dry_and_untouched_faces_have_the_given_frequency() -> None:
    samples = [degrade(name=str(number), dry=0.3, untouched=0.2) for number in range(300)]
    dry = [s for s in samples if not s['rain']['layers'] and (s['transmission'] == 1).all()]
    untouched = [s for s in samples if [d['degradation'] for d in s['degradations']] == ['shrink']]
    assert 0.4 < len(dry) / 300 < 0.6
    assert 0.13 < len(untouched) / 300 < 0.27
    assert all(not s['streak'].any() for s in dry)
    assert {id(s) for s in untouched} < {id(s) for s in dry}


def test_untouched_face_at_the_network_size_is_only_reduced() -> None:
    sample = degrade(sides=(32, 32), kernels=('bicubic',), untouched=1)
    assert np.abs(sample['img'].astype(int) - quantise(sample['lr'])).max() <= 1


def test_varying_haze_equals_the_rain_model_with_its_map() -> None:
    options = {**BARE, 'ranges': dict(beta=(0.8, 0.8), airlight=(0.9, 0.9)), 'layers': (1, 1)}
    sample = degrade(sides=(32, 32), haze_variation=(0.5, 0.5), **options)
    attenuation = -np.log(sample['transmission'].astype(np.float64)) / 0.8
    assert attenuation.min() > 0.49 and attenuation.max() < 1.51
    assert np.ptp(attenuation) > 0.4
    assert np.abs(np.diff(attenuation[..., 0], axis=0)).max() < 0.15
    maps = (sample[key].astype(np.float64) for key in ('lr', 'streak', 'transmission', 'airlight'))
    assert np.abs(sample['img'] - 255 * forward(*maps)).max() <= 2


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'sides': (48, 24)}, r'sides must be \(least, greatest\)'),
        ({'sides': (24.5, 48)}, 'integers'),
        ({'layers': (-1, 2)}, 'layers must be .* at least 0'),
        ({'kernels': ('nearest',)}, r"kernels must be from .*bicubic.*\['nearest'\]"),
        ({'kernels': ()}, 'kernels must be from'),
        ({'dry': 0.7, 'untouched': 0.4}, 'sum at most 1'),
        ({'dry': -0.1}, 'probabilities'),
        ({'haze_variation': (0, 1.5)}, 'at most 1'),
        ({'ranges': 'rain_v2'}, "unknown rain 'rain_v2'"),
        ({'lens': [dict(type='FlipFace')]}, r"lens must be degradations, got \['FlipFace'\]"),
    ],
)
def test_invalid_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        degrade(**options)


def test_indivisible_face_is_named() -> None:
    with pytest.raises(DatasetError, match='a: 130x128 is not divisible by scale 4'):
        degrade(face(128, 130))


def test_grey_camera_gives_the_luma_of_all_fields() -> None:
    options: dict[str, Any] = {**BARE, 'ranges': 'rain_wide', 'layers': (1, 1), 'cast': (0.5, 0.5)}
    colour, grey = (degrade(sides=(32, 32), **options, grey=p) for p in (0, 1))
    for key in ('gt', 'img', 'lr', 'streak', 'airlight'):
        luma = grey[key].astype(np.float64)
        np.testing.assert_array_equal(luma, np.repeat(luma[..., :1], 3, axis=-1), err_msg=key)
        # OpenCV's conversion has the same weights.
        single = colour[key].astype(np.float32)
        known = cv2.cvtColor(np.ascontiguousarray(single), cv2.COLOR_RGB2GRAY)
        np.testing.assert_allclose(luma[..., 0], known, atol=1.01 if single.max() > 1 else 5e-3, err_msg=key)
    maps = (grey[key].astype(np.float64) for key in ('lr', 'streak', 'transmission', 'airlight'))
    assert np.abs(grey['img'] - 255 * forward(*maps)).max() <= 3
    assert {'degradation': 'grey'} in grey['degradations']


def test_colour_cast_darkens_channels_of_the_airlight() -> None:
    ranges = dict(beta=(1, 1), airlight=(0.8, 0.8))
    drawn = [degrade(**{**BARE, 'ranges': ranges}, cast=(0.5, 0.5), seed=seed)['airlight'][0, 0] for seed in range(40)]
    ratio = np.array(drawn) / 0.8
    assert (ratio >= 0.5).all() and (ratio <= 1).all()
    assert ratio.min() < 0.55 and ratio.max() > 0.95 and np.ptp(ratio, axis=1).min() > 0


def test_raw_images_have_no_noise() -> None:
    noise = [dict(type='AdditiveNoise', sigma=(30, 30), kinds=['gaussian'])]
    options = {'sides': (32, 32), **BARE, 'camera': noise}
    noisy = [
        degrade(**options, raw=0.5, seed=seed)['degradations'][-1]['degradation'] != 'shrink' for seed in range(80)
    ]
    assert 20 < sum(noisy) < 60
    np.testing.assert_array_equal(degrade(**options, raw=1.0)['img'], degrade(sides=(32, 32), **BARE)['img'])


@pytest.mark.parametrize('options', [dict(cast=(0, 1.5)), dict(cast=(0.5, 0.1)), dict(grey=-0.1), dict(raw=2)])
def test_invalid_cameras_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        degrade(**options)
