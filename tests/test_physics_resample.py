"""Shrinking and enlarging against Pillow."""

import numpy as np
import pytest
from PIL import Image

from rainrestore.physics import enlarge, quantise, resize, shrink


def noise(height, width, seed=0):
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height, width, seed=0):
    return np.array(Image.fromarray(noise(9, 9, seed)).resize((width, height), Image.Resampling.BICUBIC))


def pillow_float(image, height, width):
    """Pillow's bicubic in mode 'F', which neither rounds nor clips between the two axes."""
    planes = [Image.fromarray(image[..., channel], mode='F') for channel in range(image.shape[2])]
    resized = [np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC)) for plane in planes]
    return np.clip(np.stack(resized, axis=-1), 0, 1)


@pytest.mark.parametrize(
    ('height', 'width', 'scale'),
    [(128, 128, 4), (96, 160, 4), (20, 12, 4), (64, 64, 1), (51, 66, 3), (4, 4, 4), (16, 16, 8)],
)
@pytest.mark.parametrize('make', [noise, smooth])
def test_shrink_equals_pillow_bicubic_in_floating_point(make, height, width, scale):
    image = make(height, width)
    expected = pillow_float(image.astype(np.float32) / 255, height // scale, width // scale)
    for given in (image, image.astype(np.float32) / 255, image / 255):
        small = shrink(given, scale)
        assert small.dtype == np.float32
        assert small.shape == (height // scale, width // scale, 3)
        np.testing.assert_allclose(small, expected, atol=5e-6)


def test_shrink_equals_pillow_bicubic_on_8_bits_within_rounding():
    image = smooth(128, 96, seed=3)
    expected = np.asarray(Image.fromarray(image).resize((24, 32), Image.Resampling.BICUBIC))
    difference = quantise(shrink(image, 4)).astype(int) - expected
    # Pillow also rounds between the axes, so some pixels are rounded differently, up and down equally often.
    assert np.abs(difference).max() <= 1
    assert abs(difference.mean()) < 0.03


def test_shrink_antialiases():
    """A one-pixel checkerboard becomes grey. Sampling every fourth pixel would turn it black or white."""
    board = np.repeat((np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    inner = shrink(board, 4)[2:-2, 2:-2]
    np.testing.assert_allclose(inner, 0.5, atol=0.01)


@pytest.mark.parametrize('value', [0, 1, 77, 254, 255])
def test_uniform_images_stay_exactly_uniform(value):
    flat = np.full((32, 40, 3), value, dtype=np.uint8)
    assert (shrink(flat, 4) == np.float32(value / 255)).all()
    assert (enlarge(flat, 2) == np.float32(value / 255)).all()


def test_shrink_of_8_bits_does_not_depend_on_the_order_of_sums():
    """Mirrored input sums in another order; exact sums give the same bits."""
    image = noise(128, 128, seed=5)
    np.testing.assert_array_equal(shrink(image[::-1, ::-1], 4)[::-1, ::-1], shrink(image, 4))
    np.testing.assert_array_equal(shrink(image.swapaxes(0, 1), 4).swapaxes(0, 1), shrink(image, 4))


def test_channels_do_not_mix():
    red = np.zeros((32, 32, 3), dtype=np.uint8)
    red[..., 0] = 255
    small = shrink(red, 4)
    assert (small[..., 0] == 1).all()
    assert (small[..., 1:] == 0).all()


@pytest.mark.parametrize(('height', 'width', 'scale'), [(32, 32, 4), (7, 5, 3), (1, 1, 4), (16, 16, 1)])
def test_enlarge_equals_pillow_bicubic(height, width, scale):
    image = noise(height, width)
    expected = pillow_float(image.astype(np.float32) / 255, height * scale, width * scale)
    np.testing.assert_allclose(enlarge(image, scale), expected, atol=5e-6)


def test_input_is_unchanged_and_shares_no_memory_with_the_result():
    image = noise(16, 16)
    before = image.copy()
    first = shrink(image, 4)
    kept = first.copy()
    shrink(255 - image, 4)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    ('shape', 'scale', 'message'),
    [
        ((30, 32, 3), 4, '32x30 image is not divisible by scale 4'),
        ((0, 0, 3), 4, 'a side has no pixels'),
        ((32, 32), 4, 'H x W x C'),
        ((32, 32, 3), 0, 'at least 1'),
        ((32, 32, 3), 2.5, 'integer'),
    ],
)
def test_shrink_names_invalid_input(shape, scale, message):
    with pytest.raises(ValueError, match=message):
        shrink(np.zeros(shape, np.uint8), scale)


def test_enlarge_refuses_an_empty_image():
    with pytest.raises(ValueError, match='a side has no pixels'):
        enlarge(np.zeros((0, 4, 3), np.uint8), 2)


@pytest.mark.parametrize('dtype', [np.int32, np.uint16, bool])
def test_pixels_without_a_defined_white_are_refused(dtype):
    with pytest.raises(TypeError, match='uint8'):
        shrink(np.zeros((8, 8, 3), dtype), 4)


@pytest.mark.parametrize(
    ('size', 'wanted'), [((33, 50), (32, 48)), ((70, 1500), (9, 200)), ((20, 30), (37, 31)), ((8, 8), (8, 8))]
)
def test_resize_equals_pillow_bicubic_at_any_size(size, wanted):
    image = smooth(*size)
    expected = pillow_float(image.astype(np.float32) / 255, *wanted)
    np.testing.assert_allclose(resize(image, *wanted), expected, atol=5e-6)


def test_resize_refuses_sides_without_pixels():
    for height, width in ((0, 4), (4, -1)):
        with pytest.raises(ValueError, match='a side has no pixels'):
            resize(noise(8, 8), height, width)


def test_memory_for_a_strip_does_not_grow_with_the_square_of_its_side() -> None:
    """The matrix of an axis is banded. A dense matrix would have 100,000 x 50,000 values, 40 GB."""
    strip = np.zeros((1, 100_000, 3), np.uint8)
    strip[:, ::2] = 255
    shrunk = resize(strip, 1, 50_000)
    assert shrunk.shape == (1, 50_000, 3)
    np.testing.assert_allclose(shrunk[:, 2:-2], 0.5, atol=0.1)
