"""Eq. 2 and its inverse, the random draws, and the fixed rain_v1."""

import dataclasses
import hashlib
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from rainrestore.physics import (
    RAIN_RANGES,
    RainRanges,
    RainRangesError,
    draw_scene,
    forward,
    invert,
    motion_kernel,
    quantise,
    seeded_rng,
    shrink,
)
from rainrestore.physics.rain import _filter

RAIN_V1 = RAIN_RANGES['rain_v1']


def random_image(height=32, width=32, seed=0):
    return np.random.Generator(np.random.PCG64(seed)).random((height, width, 3), dtype=np.float32)


def scene_of(J=None, name='a', **ranges):
    return draw_scene(random_image() if J is None else J, RainRanges.from_config(ranges), seeded_rng(0, name))


# --- forward and inverse -------------------------------------------------------------------------------------------


@pytest.mark.parametrize('layers', [0, 1, 3])
@pytest.mark.parametrize('shape', [(32, 32), (24, 40), (64, 64), (1, 1), (3, 7)])
def test_observation_equals_equation_2_in_float64(shape, layers):
    scene = scene_of(random_image(*shape), layers=layers)
    J, S, T, A = (getattr(scene, name).astype(np.float64) for name in 'JSTA')
    assert S.shape == (*shape, 3)
    assert T.shape == (*shape, 1)
    assert A.shape == (3,)
    for row in range(shape[0]):
        for column in range(shape[1]):
            t = T[row, column, 0]
            expected = [t * (J[row, column, c] + S[row, column, c]) + (1 - t) * A[c] for c in range(3)]
            np.testing.assert_allclose(scene.I[row, column], expected, atol=3e-7)


def test_everything_stays_in_range():
    for number in range(50):
        scene = scene_of(name=str(number), layers=3)
        assert scene.I.dtype == scene.S.dtype == scene.T.dtype == scene.A.dtype == np.float32
        assert scene.S.min() >= 0
        assert (scene.J + scene.S).max() <= 1 + 1e-6
        assert 0 <= scene.I.min() <= scene.I.max() <= 1 + 1e-6
        assert 0 < scene.T.min() <= scene.T.max() <= 1


def test_clear_air_without_rain_shows_the_unchanged_face():
    J = random_image()
    one, nothing = np.ones((32, 32, 1), np.float32), np.zeros_like(J)
    np.testing.assert_array_equal(forward(J, nothing, one, np.full(3, 0.7, np.float32)), J)
    np.testing.assert_array_equal(scene_of(J, layers=0, beta=(0, 0)).I, J)


def test_opaque_air_shows_only_the_airlight():
    scene = scene_of(beta=(1000, 1000), airlight=(0.75, 0.75))
    assert (scene.I == 0.75).all()


def test_rain_is_equal_in_all_channels_before_the_clip():
    dark = scene_of(np.zeros((32, 32, 3), np.float32), layers=2)
    assert dark.S.max() > 0.2
    np.testing.assert_array_equal(dark.S[..., 0], dark.S[..., 1])
    np.testing.assert_array_equal(dark.S[..., 0], dark.S[..., 2])
    J = random_image()
    expected = np.minimum(J + dark.S, 1) - J
    np.testing.assert_allclose(scene_of(J, layers=2).S, expected, atol=1e-6)


def test_white_pixels_stay_white():
    assert (scene_of(np.ones((32, 32, 3), np.float32)).S == 0).all()


def test_forward_is_equal_for_tensors_and_arrays():
    scene = scene_of()
    planes = [torch.from_numpy(getattr(scene, name).transpose(2, 0, 1)[None].copy()) for name in 'JST']
    observed = forward(*planes, torch.from_numpy(scene.A).reshape(1, 3, 1, 1))
    np.testing.assert_allclose(observed[0].permute(1, 2, 0).numpy(), scene.I, atol=1e-7)


def test_forward_is_differentiable():
    leaves = [torch.rand(1, channels, 4, 4, dtype=torch.float64, requires_grad=True) for channels in (3, 3, 1, 3)]
    assert torch.autograd.gradcheck(forward, leaves)


def test_invert_is_the_inverse_of_forward():
    for number in range(20):
        scene = scene_of(name=str(number), layers=2)
        np.testing.assert_allclose(invert(scene.I, scene.S, scene.T, scene.A), scene.J, atol=2e-6)


def test_inverse_error_of_a_camera_image_is_the_quantisation_over_t():
    scene = scene_of()
    restored = invert(quantise(scene.I) / np.float32(255), scene.S, scene.T, scene.A)
    error = np.abs(restored - scene.J)
    assert error.max() <= 0.5 / 255 / scene.T.min() + 1e-5
    assert error.max() > 0.5 / 255


def test_invert_floors_the_transmission_and_clips():
    zero = np.zeros((1, 1, 3))
    observed, none = zero + 0.05, np.zeros((1, 1, 1))
    np.testing.assert_allclose(invert(observed, zero, none, np.zeros(3)), 0.5)
    np.testing.assert_allclose(invert(observed, zero, none, np.zeros(3), floor=0.2), 0.25)
    assert (invert(zero + 1, zero, none, np.zeros(3)) == 1).all()
    assert (invert(zero, zero + 0.3, none + 1, np.zeros(3)) == 0).all()
    tensors = [torch.from_numpy(array) for array in (observed, zero, none, np.zeros(3))]
    np.testing.assert_allclose(invert(*tensors).numpy(), 0.5)


@pytest.mark.parametrize('floor', [0, -1, math.nan])
def test_invert_refuses_a_floor_without_effect(floor):
    zero = np.zeros((1, 1, 3))
    with pytest.raises(ValueError, match='floor must be positive'):
        invert(zero, zero, zero, zero, floor=floor)


def test_quantise_rounds_to_nearest_and_clips():
    levels = np.arange(256, dtype=np.float32) / 255
    np.testing.assert_array_equal(quantise(levels), np.arange(256))
    np.testing.assert_array_equal(quantise(levels + np.float32(0.4 / 255)), np.arange(256))
    np.testing.assert_array_equal(quantise(np.float32([-0.5, 1.5])), [0, 255])


def test_quantise_does_not_change_its_input():
    image = random_image()
    before = image.copy()
    quantise(image)
    np.testing.assert_array_equal(image, before)


# --- the motion filter ---------------------------------------------------------------------------------------------

LENGTHS = [3, 5, 6.4, 8, 9.7, 12, 33, 48]
ANGLES = [0, 10, 45, 70, 83.3, 90, 97, 110, 135, 179]


def moments(kernel):
    """Covariance of the kernel as a distribution, with x to the right and y up."""
    y, x = np.indices(kernel.shape)
    y, x = (kernel.shape[0] - 1) / 2 - y, x - (kernel.shape[1] - 1) / 2
    points = np.stack([x.ravel(), y.ravel()])
    return (points * kernel.ravel()) @ points.T


@pytest.mark.parametrize('angle', ANGLES)
@pytest.mark.parametrize('length', LENGTHS)
def test_kernel_has_the_given_length_and_angle(length, angle):
    kernel = motion_kernel(length, angle)
    values, vectors = np.linalg.eigh(moments(kernel))
    # A uniform segment of length L has the variance L^2 / 12 along itself; the width of a pixel adds 1/12.
    assert math.sqrt(12 * values[1]) == pytest.approx(length, abs=0.5)
    assert values[0] < 0.4
    measured = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
    turn = (measured - angle + 90) % 180 - 90
    assert abs(turn) < 20 / length


@pytest.mark.parametrize('angle', ANGLES)
@pytest.mark.parametrize('length', [1, 1.5, *LENGTHS])
def test_kernel_is_a_centred_mean(length, angle):
    kernel = motion_kernel(length, angle)
    assert kernel.sum() == 1
    assert (kernel >= 0).all()
    assert kernel.shape[0] % 2 == kernel.shape[1] % 2 == 1
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6)
    assert kernel[0].any()
    assert kernel[:, 0].any()


def test_kernel_along_an_axis_is_a_row_or_column_of_pixels():
    np.testing.assert_allclose(motion_kernel(5, 90), np.full((5, 1), 0.2), atol=1e-6)
    np.testing.assert_allclose(motion_kernel(7, 0), np.full((1, 7), 1 / 7), atol=1e-6)
    np.testing.assert_array_equal(motion_kernel(1, 90), [[1]])


def test_angle_is_counter_clockwise_in_the_image():
    kernel = motion_kernel(9, 60)
    assert kernel[0, kernel.shape[1] // 2 :].sum() > kernel[0, : kernel.shape[1] // 2].sum()


@pytest.mark.parametrize(('length', 'angle'), [(0.5, 90), (math.nan, 90), (math.inf, 90), (5, math.nan)])
def test_kernel_refuses_invalid_lengths_and_angles(length, angle):
    with pytest.raises(ValueError, match='at least 1'):
        motion_kernel(length, angle)


@pytest.mark.parametrize(('length', 'angle'), [(1, 90), (5, 90), (11.9, 70), (24, 100), (70, 45), (60, 3)])
def test_filter_equals_the_plain_sum_over_taps(length, angle):
    kernel = motion_kernel(length, angle)
    height, width = 10, 14
    shape = height + kernel.shape[0] - 1, width + kernel.shape[1] - 1
    # Multiples of 2^-24, like the noise of the model. Sums are then exact in any order.
    noise = np.random.default_rng(1).integers(0, 2**24, shape).astype(np.float32) / np.float32(2**24)
    expected = np.zeros((height, width))
    for row, column in zip(*np.nonzero(kernel), strict=True):
        expected += kernel[row, column] * noise[row : row + height, column : column + width].astype(np.float64)
    np.testing.assert_array_equal(_filter(noise, kernel), expected)


# --- the draws -----------------------------------------------------------------------------------------------------


def test_streaks_have_the_drawn_angle():
    """The main direction of the autocorrelation of the rain, compared with the drawn angle."""
    dark = np.zeros((96, 96, 3), np.float32)
    for number in range(6):
        scene = scene_of(dark, name=str(number))
        rain = scene.S[..., 0] - scene.S[..., 0].mean()
        power = np.abs(np.fft.fft2(rain)) ** 2
        correlation = np.fft.fftshift(np.fft.ifft2(power).real)[48 - 16 : 48 + 17, 48 - 16 : 48 + 17]
        correlation = np.maximum(correlation / correlation.max() - 0.15, 0)
        _, vectors = np.linalg.eigh(moments(correlation))
        measured = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1])) % 180
        assert measured == pytest.approx(scene.params['layers'][0]['angle'], abs=4)


def test_rain_at_the_border_equals_rain_in_the_middle():
    dark = np.zeros((32, 32, 3), np.float32)
    mean = np.mean([scene_of(dark, name=str(number)).S[..., 0] for number in range(400)], axis=0)
    border = np.concatenate([mean[0], mean[-1], mean[:, 0], mean[:, -1]]).mean()
    assert border == pytest.approx(mean[8:24, 8:24].mean(), rel=0.08)


def test_lengths_scale_with_the_shorter_side_and_gains_do_not():
    small, large = (scene_of(np.zeros((side, side + 8, 3), np.float32)).params['layers'][0] for side in (32, 96))
    assert large['length'] == pytest.approx(3 * small['length'])
    assert large['gain'] == small['gain']
    tiny = scene_of(np.zeros((4, 4, 3), np.float32)).params['layers'][0]
    assert tiny['length'] >= 1


def test_parameters_fill_their_ranges():
    drawn = [scene_of(name=str(number)).params for number in range(600)]
    layers = [params['layers'][0] for params in drawn]
    for values, (low, high) in (
        ([-layer['noise_mean'] for layer in layers], (0.8, 1.0)),
        ([layer['noise_variance'] for layer in layers], (0.7, 1.0)),
        ([layer['length'] for layer in layers], (5, 12)),
        ([layer['angle'] for layer in layers], (70, 110)),
        ([layer['gain'] - 0.4 - 0.075 * layer['length'] for layer in layers], (0, 0.1)),
        ([params['beta'] for params in drawn], (0.5, 1.2)),
        ([params['airlight'] for params in drawn], (0.5, 0.95)),
    ):
        span = high - low
        assert low - 1e-9 <= min(values) < low + 0.02 * span
        assert high - 0.02 * span < max(values) <= high + 1e-9
        assert np.mean(values) == pytest.approx((low + high) / 2, abs=0.05 * span)


def test_noise_has_the_drawn_mean():
    """Mean of clipped Gaussian noise times gain, by numerical integration, compared with the mean rain."""
    z = np.linspace(-8, 8, 100001)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    ratios = []
    for number in range(60):
        scene = scene_of(np.zeros((64, 64, 3), np.float32), name=str(number))
        layer = scene.params['layers'][0]
        noise = np.clip(layer['noise_mean'] + math.sqrt(layer['noise_variance']) * z, 0, 1)
        ratios.append(scene.S.mean() / (layer['gain'] * (noise * density).sum() * (z[1] - z[0])))
    assert np.mean(ratios) == pytest.approx(1, abs=0.02)


def test_layers_are_drawn_independently_and_added():
    dark = np.zeros((32, 32, 3), np.float32)
    one, three = scene_of(dark, layers=1), scene_of(dark, layers=3)
    assert len(three.params['layers']) == 3
    assert len({layer['angle'] for layer in three.params['layers']}) == 3
    for key in ('beta', 'airlight'):
        assert one.params[key] == three.params[key]
    assert one.params['layers'][0] == three.params['layers'][0]
    assert three.S.mean() > 2 * one.S.mean()


def test_transmission_and_airlight_equal_the_parameters():
    scene = scene_of()
    np.testing.assert_array_equal(scene.T, np.float32(math.exp(-scene.params['beta'])))
    np.testing.assert_array_equal(scene.A, np.float32(scene.params['airlight']))


def test_parameters_can_be_stored_as_json():
    params = scene_of(layers=2).params
    assert json.loads(json.dumps(params, allow_nan=False)) == params


def test_rain_depends_only_on_name_and_seed():
    J = random_image()
    first = draw_scene(J, RAIN_V1, seeded_rng(3, 'face_7'))
    np.testing.assert_array_equal(first.I, draw_scene(J, RAIN_V1, seeded_rng(3, 'face_7')).I)
    for seed, name in ((4, 'face_7'), (3, 'face_8'), (37, 'face_')):
        assert not np.array_equal(first.I, draw_scene(J, RAIN_V1, seeded_rng(seed, name)).I)


def test_seeded_rng_takes_any_name():
    assert seeded_rng(-1, 'Zoë 雨').random() != seeded_rng(1, 'Zoë 雨').random()


@pytest.mark.parametrize(
    ('J', 'error', 'message'),
    [
        (np.zeros((8, 8, 3), np.uint8), TypeError, 'float32'),
        (np.zeros((8, 8, 3)), TypeError, 'float32'),
        (np.zeros((8, 8), np.float32), ValueError, 'h x w x 3'),
        (np.zeros((8, 8, 1), np.float32), ValueError, 'h x w x 3'),
    ],
)
def test_draw_scene_names_invalid_input(J, error, message):
    with pytest.raises(error, match=message):
        draw_scene(J, RAIN_V1, seeded_rng(0, 'a'))


# --- ranges --------------------------------------------------------------------------------------------------------


def test_ranges_are_read_from_a_config():
    assert RainRanges.from_config('rain_v1') == RainRanges.from_config() == RainRanges.from_config({}) == RAIN_V1
    other = RainRanges.from_config({'beta': [0.5, 0.8], 'layers': 2})
    assert other.beta == (0.5, 0.8)
    assert other.name == 'custom'
    assert RAIN_V1.name == 'rain_v1'
    assert RainRanges.from_config(other.to_dict()) == other
    assert RainRanges.from_config(other) is other
    assert scene_of(layers=2).params['ranges'] == 'custom'
    heavier = RainRanges.from_config({'base': 'rain_wide', 'beta': (0.5, 1.6)})
    assert heavier.beta == (0.5, 1.6) and heavier.length == (3, 16) and heavier.gain_base == 0.2
    assert RainRanges.from_config({'base': 'rain_wide'}).name == 'rain_wide'


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('rain_v2', r"^unknown rain 'rain_v2' \(did you mean 'rain_v1'\?\); known: rain_v1, rain_wide$"),
        ({'betta': (0, 1)}, r"unknown rain range 'betta' \(did you mean 'beta'\?\); known: noise_mean, "),
        ({'xyz': 1}, "'xyz'; known: noise_mean"),
        ({'base': 'rain_wde'}, r"unknown rain 'rain_wde' \(did you mean 'rain_wide'\?\)"),
    ],
)
def test_error_for_an_unknown_name_suggests_the_most_similar_one(config, message):
    with pytest.raises(RainRangesError, match=message):
        RainRanges.from_config(config)


@pytest.mark.parametrize(
    'bad',
    [{'beta': (1.2, 0.5)}, {'beta': (-1, 1)}, {'beta': (0, math.inf)}, {'beta': (math.nan, 1)}, {'beta': 0.5},
     {'beta': (1, 2, 3)}, {'beta': 'ab'}, {'airlight': (0.5, 1.5)}, {'airlight': (-0.1, 1)}, {'length': (0.5, 3)},
     {'noise_variance': (-1, 1)}, {'gain_base': -1}, {'gain_base': math.nan}, {'gain_jitter': 'x'},
     {'gain_per_length': True}, {'layers': -1}, {'layers': 1.5}, {'layers': True},
     {'layers': 21}, {'length': (5, 129)}, {'noise_mean': (0, 1e308)}, {'gain_base': 1e308}, {'beta': (1, 10**400)}],
)  # fmt: skip
def test_invalid_ranges_are_named(bad):
    with pytest.raises(RainRangesError, match=f'rain range {next(iter(bad))!r}'):
        RainRanges.from_config(bad)


def test_ranges_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RAIN_V1.layers = 2


def test_rain_model_can_be_imported_without_mmengine():
    code = (
        'import sys; sys.modules["mmengine"] = None; import rainrestore.physics; '
        'print([name for name in sys.modules if name.startswith(("mmengine.", "mmagic", "mmcv"))])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


# --- frozen --------------------------------------------------------------------------------------------------------


def test_rain_v1_is_frozen():
    assert RAIN_V1.to_dict() == {
        'noise_mean': (0.8, 1.0),
        'noise_variance': (0.7, 1.0),
        'length': (5.0, 12.0),
        'angle': (70.0, 110.0),
        'gain_base': 0.4,
        'gain_per_length': 0.075,
        'gain_jitter': 0.1,
        'beta': (0.5, 1.2),
        'airlight': (0.5, 0.95),
        'layers': 1,
    }


LAYER_KEYS = ('noise_mean', 'noise_variance', 'length', 'angle', 'gain')
# Name: beta, airlight and LAYER_KEYS; some pixels of I; the first half of the sha256 of J, S and I.
GOLDEN = {
    'a': (
        [
            1.1371083075371453,
            0.5886734286603116,
            -0.8748726118578806,
            0.739660305045322,
            6.761453331086577,
            104.08154119766677,
            0.9919889204023568,
        ],
        [143, 166, 153, 148],
        ['97227cacab27835b', '2f04ec21a6c85ae5', '8ef219c7bfdd8bc2'],
    ),
    'b': (
        [
            0.7864654305570973,
            0.7927806875676644,
            -0.9888726759886972,
            0.78151882336116,
            7.203725255770289,
            104.0806391368813,
            0.9775699772182512,
        ],
        [172, 184, 173, 185],
        ['97227cacab27835b', '50c091736e75299c', '617ad95773bc13b8'],
    ),
}


@pytest.mark.parametrize('name', ['a', 'b'])
def test_rain_v1_equals_its_published_values(name):
    """Parameters and pixels as first published. Other values would make all results on rain_v1 incomparable."""
    face = np.random.Generator(np.random.PCG64(7)).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    scene = draw_scene(shrink(face, 4), RAIN_V1, seeded_rng(0, name))
    layer = scene.params['layers'][0]
    drawn = [scene.params['beta'], scene.params['airlight'], *(layer[key] for key in LAYER_KEYS)]
    parameters, pixels, digests = GOLDEN[name]
    np.testing.assert_allclose(drawn, parameters, rtol=1e-12)
    np.testing.assert_array_equal(quantise(scene.I)[::9, 13, 0], pixels)
    found = [hashlib.sha256(array.tobytes()).hexdigest()[:16] for array in (scene.J, scene.S, quantise(scene.I))]
    assert found == digests


def test_ranges_with_numbers_of_numpy_can_be_written_as_json() -> None:
    given = RainRanges(length=np.array([5, 9], np.float32), gain_base=np.float64(2), layers=np.int64(2))
    assert RainRanges.from_config(json.loads(json.dumps(dataclasses.asdict(given)))) == given
