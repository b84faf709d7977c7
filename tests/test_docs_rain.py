"""docs/rain.md: the images are drawn by the script, and the numbers are those of rain_v1."""

import re
import runpy
import sys
from math import exp
from pathlib import Path

import numpy as np
import pytest
from documents import ROOT, pages
from PIL import Image

from rainrestore.physics import RainRanges

IMAGES = ROOT / 'docs' / 'images' / 'rain'


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert('RGB')).astype(float)


def test_images_are_drawn_by_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'argv', ['rain_images.py', '--out', str(tmp_path)])
    runpy.run_path(str(ROOT / 'tools' / 'docs' / 'rain_images.py'), run_name='__main__')
    drawn = {path.name for path in tmp_path.iterdir()}
    shown = set(re.findall(r'images/rain/(\w+\.png)', pages()['rain'].read_text(encoding='utf-8')))
    assert drawn == shown == {path.name for path in IMAGES.iterdir()}
    for name in drawn:
        # fonts may differ between versions of Pillow, faces may not
        assert np.abs(pixels(tmp_path / name) - pixels(IMAGES / name)).mean() < 1


def test_numbers_are_those_of_rain_v1() -> None:
    text = pages()['rain'].read_text(encoding='utf-8')
    ranges = RainRanges()
    thin, thick = ranges.beta
    assert f'drawn from {thin} to {thick}, so T is {exp(-thin):.2f} to {exp(-thick):.2f}' in text
    assert f'drawn from {ranges.airlight[0]} to {ranges.airlight[1]}' in text
    assert f'`noise_mean` ({ranges.noise_mean[0]} to {ranges.noise_mean[1]:g}' in text
    assert f'`noise_variance` ({ranges.noise_variance[0]} to {ranges.noise_variance[1]:g})' in text
    assert f'`length` ({ranges.length[0]:g} to {ranges.length[1]:g} pixels' in text
    assert f'`angle` ({ranges.angle[0]:g} to {ranges.angle[1]:g} degrees' in text
    for name in ('gain_base', 'gain_per_length', 'gain_jitter'):
        assert re.search(rf'`[+* a-z]*{name}` \({getattr(ranges, name)}\)', text)
