"""The views of the page have the results of the library, for every kind of image."""

from __future__ import annotations

import struct
import zlib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rainrestore.apis import ImageError, Restorer
from rainrestore.datasets.transforms.rain import ScaleAwareHeavyRain
from rainrestore.errors import ConfigError, ImageFileError
from rainrestore.evaluation.functional import ssim
from rainrestore.image_io import read_image
from rainrestore.labels import LABELS, label_names
from rainrestore.physics import RAIN_RANGES, RainRanges
from rainrestore.web import views
from rainrestore.web.views import SLIDERS, Studio, drawn_settings, middle_of, ranges_of, read_upload

ROOT = Path(__file__).resolve().parents[1]
BICUBIC = ROOT / 'configs' / 'references' / 'bicubic_x4.py'
MIDDLE = {name: middle_of(name) for name in SLIDERS}


@pytest.fixture(scope='module')
def studio() -> Studio:
    return Studio(Restorer('fcg_gan_x4', device='cpu'))


@pytest.fixture(scope='module')
def quick() -> Studio:
    return Studio(Restorer(BICUBIC, device='cpu'))


@pytest.fixture(scope='module')
def portrait(portraits: Path) -> Path:
    return portraits / 'test' / 'img' / 'test_0007.jpg'


def save(path: Path, width: int, height: int) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_every_rain_parameter_has_a_slider_with_its_range():
    assert SLIDERS.keys() == {item.name for item in fields(RainRanges)}
    for name, slider in SLIDERS.items():
        low, high = np.broadcast_to(getattr(RAIN_RANGES['rain_v1'], name), 2)
        assert slider.low <= low <= middle_of(name) <= high <= slider.high


def test_random_settings_fill_the_ranges_of_the_sliders():
    rng = np.random.default_rng(0)
    drawn = [drawn_settings(rng) for _ in range(300)]
    for name in SLIDERS:
        low, high = np.broadcast_to(getattr(RAIN_RANGES['rain_v1'], name), 2)
        values = [settings[name] for settings in drawn]
        assert low <= min(values) and max(values) <= high
        assert max(values) - min(values) >= 0.9 * (high - low)
    for settings in drawn[:20]:
        ranges = ranges_of(settings)
        assert ranges.beta == (settings['beta'],) * 2 and ranges.gain_base == settings['gain_base']
        assert type(ranges.layers) is int


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -0.01, 1e9, None, 'x', True])
@pytest.mark.parametrize('name', ['length', 'layers', 'gain_base'])
def test_setting_out_of_range_is_named(name, value):
    with pytest.raises(ConfigError, match=SLIDERS[name].label):
        ranges_of({**MIDDLE, name: value})


def test_missing_setting_is_named():
    with pytest.raises(ConfigError, match='Airlight'):
        ranges_of({name: value for name, value in MIDDLE.items() if name != 'airlight'})


@pytest.mark.parametrize('seed', [-1, 2**32, 1.5, None, True])
def test_seed_out_of_range_is_named(quick, portrait, seed):
    with pytest.raises(ConfigError, match='Seed'):
        quick.rain(portrait, MIDDLE, seed)


def test_view_equals_the_data_pipeline_and_the_restorer(studio, portrait):
    settings = {**MIDDLE, 'layers': 2, 'angle': 70}
    view = studio.rain(portrait, settings, seed=5)
    truth = read_image(portrait)
    ranges = {
        name: (value, value) if isinstance(getattr(RAIN_RANGES['rain_v1'], name), tuple) else value
        for name, value in settings.items()
    }
    expected = ScaleAwareHeavyRain(scale=4, ranges=ranges, seed=5)({'gt': truth, 'name': 'test_0007'})
    np.testing.assert_array_equal(view.after, studio.restorer(expected['img']))
    enlarged = np.asarray(Image.fromarray(expected['img']).resize((128, 128), Image.Resampling.BICUBIC))
    assert np.abs(view.before.astype(int) - enlarged).max() <= 1
    np.testing.assert_array_equal(view.maps['true']['ground truth'], truth)
    assert view.means['true']['T'] == pytest.approx(np.exp(-settings['beta']), abs=1e-6)
    assert view.means['true']['A'] == pytest.approx(settings['airlight'], abs=1e-6)
    shown = np.asarray(Image.fromarray(np.rint(expected['streak'] * 255).astype(np.uint8)).resize((128, 128), 3))
    np.testing.assert_array_equal(view.maps['true']['rain S'], shown)


def test_scores_are_those_of_the_shown_images(studio, portrait):
    view = studio.rain(portrait, MIDDLE, seed=0)
    truth = read_image(portrait).astype(np.float64)
    for row, image in zip(view.scores, (view.before, view.after), strict=True):
        mse = np.mean((image.astype(np.float64) - truth) ** 2)
        assert row.psnr == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-9)
        luma = (image.astype(np.float64) - truth) @ np.array([65.481, 128.553, 24.966]) / 255
        assert row.psnr_y == pytest.approx(10 * np.log10(255**2 / np.mean(luma**2)), abs=1e-9)
        assert row.ssim == float(ssim(image, truth))
    rainy, restored = view.scores
    assert restored.psnr > rainy.psnr + 3  # the purpose of the page


def test_without_veil_and_layers_the_input_is_the_small_face(quick, portrait):
    view = quick.rain(portrait, {**MIDDLE, 'beta': 0, 'layers': 0}, seed=0)
    small = Image.fromarray(read_image(portrait)).resize((32, 32), Image.Resampling.BICUBIC)
    enlarged = np.asarray(small.resize((128, 128), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(view.before - enlarged).max() <= 2  # the image is rounded twice
    assert view.means['true']['T'] == 1
    assert not view.maps['true']['rain S'].any()


def test_view_equals_the_restorer_and_has_all_maps(studio, portrait):
    view = studio.restore(portrait)
    expected = studio.restorer(portrait, maps=True)
    np.testing.assert_array_equal(view.after, expected.face)
    assert {'restored', 'small face J', 'rain S', 'transmission T', 'airlight A', 'parsing F'} <= view.maps[
        'predicted'
    ].keys()
    assert view.means['predicted'] == {'T': float(expected.T.mean()), 'A': float(expected.A.mean())}
    assert view.labels == sorted(set(expected.parsing.argmax(2).ravel().tolist()))
    assert view.scores == [] and 'true' not in view.maps
    assert '128x128' in view.notes[0] and '32x32' in view.notes[0]


@pytest.mark.parametrize('size, truth', [
    ((128, 128), (128, 128)), ((512, 384), (172, 128)), ((101, 67), (100, 68)), ((32, 32), (32, 32)),
    ((125, 400), (124, 400)),
])  # fmt: skip
def test_clean_face_of_any_size_gets_rain(quick, tmp_path, size, truth):
    view = quick.rain(save(tmp_path / 'a.png', *size), MIDDLE, seed=0)
    assert view.after.shape[1::-1] == view.before.shape[1::-1] == truth
    assert view.maps['true']['ground truth'].shape[1::-1] == truth
    assert (f'{size[0]}x{size[1]} pixels, resized' in view.notes[0]) == (size != truth)


@pytest.mark.parametrize('size', [(31, 200), (200, 31), (1, 1)])
def test_too_small_face_is_named(quick, tmp_path, size):
    path = save(tmp_path / 'tiny face.png', *size)
    with pytest.raises(ImageError, match=r'^tiny face\.png: .*minimum side is 32'):
        quick.rain(path, MIDDLE, seed=0)


def test_error_of_the_restorer_names_the_file(quick, tmp_path):
    with pytest.raises(ImageError, match=r'^strip\.png: 16000x32 pixels'):
        quick.restore(save(tmp_path / 'strip.png', 16000, 32))


def test_results_of_two_calls_are_independent(studio, portrait):
    one, other = (studio.rain(portrait, MIDDLE, seed) for seed in (1, 2))
    again = studio.rain(portrait, MIDDLE, 1)
    assert not np.array_equal(one.before, other.before)
    np.testing.assert_array_equal(one.after, again.after)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header states this number of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(b'')) + chunk(b'IEND', b'')


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
EPS = b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n'


@pytest.mark.parametrize('content, reason', [
    (bomb(6000, 6000), 'the limit of 32000000'), (bomb(60000, 60000), 'too many pixels'), (b'', 'not a readable'),
    (b'plain text', 'not a readable'), (SVG, 'not a readable'), (EPS, 'not a readable'),
])  # fmt: skip
def test_error_for_a_malicious_upload_has_only_its_file_name(quick, tmp_path, content, reason):
    path = tmp_path / 'upload.png'
    path.write_bytes(content)
    for compute in (read_upload, quick.restore, lambda path: quick.rain(path, MIDDLE, 0)):
        with pytest.raises(ImageFileError, match=f'^upload.png: .*{reason}') as caught:
            compute(path)
        assert str(tmp_path) not in str(caught.value)


def test_too_large_upload_is_not_opened(tmp_path):
    path = tmp_path / 'large.png'
    with path.open('wb') as file:
        file.truncate(views.MAX_UPLOAD_BYTES + 1)
    with pytest.raises(ImageFileError, match=r'^large\.png: 20\.0 MB exceed the limit of 20 MB'):
        read_upload(path)


def test_removed_upload_is_named(tmp_path):
    with pytest.raises(ImageFileError, match=r'^gone\.png: the upload was deleted'):
        read_upload(tmp_path / 'gone.png')


def test_labels_have_readable_names():
    names = label_names(range(len(LABELS)))
    assert len(set(names)) == 19
    assert [names[LABELS.index(label)] for label in ('l_eye', 'r_brow', 'u_lip', 'l_lip', 'hair')] == [
        'left eye', 'right brow', 'upper lip', 'lower lip', 'hair',
    ]  # fmt: skip
