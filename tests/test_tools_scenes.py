"""Training images of whole scenes: crops of photos, generated images, and the benchmark."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from rainrestore.benchmark.scenes import background, dead_leaves
from rainrestore.image_io import encode_png, list_images, read_image

ROOT = Path(__file__).resolve().parents[1]


def run(script: str, *options: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [script, *options])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / 'tools' / script), run_name='__main__')
    return int(ended.value.code or 0)


def test_crops_have_several_scales(tmp_path, capsys) -> None:
    (tmp_path / 'photos').mkdir()
    photo = background(90, 120)
    (tmp_path / 'photos' / 'street.png').write_bytes(encode_png(photo))
    (tmp_path / 'photos' / 'tiny.png').write_bytes(encode_png(photo[:20]))
    script = 'dataset_converters/scene_crops.py'
    options = (str(tmp_path / 'photos'), str(tmp_path / 'out'), '--side', '32', '--crops', '3', '--generated', '2')
    assert run(script, *options) == 0
    # The photo has 90 pixels: 32, 48 and 72 fit, 109 does not.
    assert json.loads(capsys.readouterr().out) == {'crops': 9, 'generated': 2}
    made = {path.name: read_image(path) for path in list_images(tmp_path / 'out')}
    assert len(made) == 11 and {image.shape for image in made.values()} == {(32, 32, 3)}
    np.testing.assert_array_equal(made['leaves_00001.png'], dead_leaves(32, 1))
    # A crop of the smallest copy is nearly as wide as the copy, so it has the mean colour of the photo.
    assert np.abs(made['street_000.png'].mean((0, 1)) - photo.mean((0, 1))).max() < 30
    assert run(script, *options) == 0
    assert all((read_image(tmp_path / 'out' / name) == image).all() for name, image in made.items())
    assert run(script, str(tmp_path / 'photos'), str(tmp_path / 'none'), '--side', '512') == 2
    assert 'no photo has a side of 512 pixels' in capsys.readouterr().err


def test_generated_images_have_the_spectrum_of_photos() -> None:
    """The spectrum of photos falls as 1 / frequency: the energy of each octave is about the same."""
    octaves = np.zeros(3)
    for seed in range(6):
        grey = dead_leaves(128, seed).mean(-1)
        power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
        radius = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128))) * 128
        octaves += [power[(radius >= low) & (radius < 2 * low)].sum() for low in (4, 8, 16)]
    assert (octaves[:-1] / octaves[1:] < 6).all() and (octaves[:-1] / octaves[1:] > 1 / 6).all()


@pytest.mark.slow
def test_benchmark_of_scenes_improves_every_cell(capsys) -> None:
    """No cell of generated scenes is worse than its input."""
    assert run('benchmarks/benchmark_scenes.py', '--generated', '--transmissions', '0.5', '1', '--device', 'cpu') == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    gains = {(cell['weather'], cell['T']): cell['PSNR'][1] - cell['PSNR'][0] for cell in result['cells']}
    assert gains['rain', 0.5] > 1 and gains['haze', 1] == 0


def test_weather_has_the_given_airlight_and_night_reduces_it() -> None:
    """A black scene behind haze of T = 0.5 shows (1 - T) A."""
    tool = runpy.run_path(str(ROOT / 'tools' / 'benchmarks' / 'benchmark_scenes.py'), run_name='tool')
    black = np.zeros((40, 40, 3), np.uint8)
    assert np.abs(tool['in_weather'](black, 'haze', 0.5, 'black', airlight=0.8) - 102.0).max() <= 1
    day, night = (tool['in_weather'](black, weather, 0.5, 'black', airlight=0.8).astype(float)
                  for weather in ('rain', 'night'))  # fmt: skip
    assert night.min() == pytest.approx(0.4 * 102, abs=1) and day.min() >= 101
