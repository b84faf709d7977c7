"""The converter of the Raindrop set on a tiny generated set, with shifted pairs."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from raindrop import convert, corners, overlap, shift_between

from rainrestore.datasets import DatasetError, ImageFileError, PairedDataset

#: Split and name -> shift of the wet image to the right and down against the dry one.
SHIFTS = {('train', '0'): (0, 0), ('train', '1'): (3, -2), ('test_a', '0'): (-4, 1)}
DROP = (slice(60, 72), slice(80, 92))

SCRIPT = Path(__file__).parents[1] / 'tools' / 'dataset_converters' / 'raindrop.py'


def scene(seed: int) -> np.ndarray:
    """200 x 240 x 3 uint8 with structure at every scale; images are cropped from it."""
    rng = np.random.Generator(np.random.PCG64(seed))
    layers = [cv2.resize(rng.random((n, n, 3), dtype=np.float32), (240, 200)) for n in (4, 12, 40, 120)]
    return np.clip(255 * sum(layers) / 4, 0, 255).astype(np.uint8)  # type: ignore[operator]


def pair(seed: int, shift: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Wet and dry image, 180 x 220; the wet one is shifted by (right, down)."""
    wide, (right, down) = scene(seed), shift
    wet = wide[10 - down : 190 - down, 10 - right : 230 - right].copy()
    wet[DROP] = 255
    return wet, wide[10:190, 10:230]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / 'raindrop'
    for seed, ((split, name), shift) in enumerate(SHIFTS.items()):
        for kind, suffix, image in zip(('data', 'gt'), ('rain', 'clean'), pair(seed, shift), strict=True):
            (root / split / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / split / kind / f'{name}_{suffix}.png')
    return root


@pytest.mark.parametrize('shift', [(0, 0), (3, -2), (-4, 1), (8, 8)])
def test_shift_is_found_and_removed(shift: tuple[int, int]) -> None:
    wet, dry = pair(5, shift)
    assert shift_between(wet, dry) == shift
    image, truth = overlap(wet, dry, shift)
    assert image.shape == truth.shape == (180 - abs(shift[1]), 220 - abs(shift[0]), 3)
    # all pixels outside the drop are equal
    assert (image != truth).any(2).sum() <= 12 * 12
    image[...] = truth


@pytest.mark.parametrize(('length', 'size'), [(64, 64), (65, 64), (480, 256), (720, 256), (512, 256)])
def test_crops_cover_the_image_and_stay_inside(length: int, size: int) -> None:
    starts = corners(length, size)
    covered = set().union(*(range(start, start + size) for start in starts))
    assert covered == set(range(length)) and len(starts) == -(-length // size)


def test_crops_of_a_pair_are_aligned(release: Path, tmp_path: Path) -> None:
    outcome = convert(release, tmp_path / 'out', size=64, progress=False)
    # 180 x 220 minus the shifts: 3 rows of 4 crops each
    assert outcome == dict(train=24, test_a=12, shifted=2, skipped={})
    for split in ('train', 'test_a'):
        crops = PairedDataset(tmp_path / 'out', split, given_suffix='_rain', truth_suffix='_clean')
        assert len(crops) == outcome[split]
        wrong = [int((crop['img'] != crop['gt']).any(2).sum()) for crop in map(crops.get_data_info, range(len(crops)))]
        # only the drop differs, and at most four of the twelve crops of a photo contain it
        assert 0 < max(wrong) <= 144
        assert sum(count == 0 for count in wrong) >= len(crops) * 8 // 12


def test_pair_with_a_large_shift_is_named_or_skipped(release: Path, tmp_path: Path) -> None:
    Image.fromarray(pair(9, (10, 0))[0]).save(release / 'train' / 'data' / '7_rain.png')
    Image.fromarray(pair(9, (0, 0))[1]).save(release / 'train' / 'gt' / '7_clean.png')
    with pytest.raises(
        ImageFileError, match=r'7_rain\.png: is shifted by 10 pixels to the right of and 0 below 7_clean\.png'
    ):
        convert(release, tmp_path / 'a', size=64, progress=False)
    outcome = convert(release, tmp_path / 'b', size=64, on_bad_pair='skip', progress=False)
    assert outcome['train'] == 24
    assert list(outcome['skipped']) == [str(release / 'train' / 'data' / '7_rain.png')]


def test_invalid_input_is_named(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DatasetError, match='contains none of train, test_a, test_b'):
        convert(tmp_path, tmp_path / 'out')
    with pytest.raises(ImageFileError, match='choose crops below 256'):
        convert(release, tmp_path / 'large', size=256, progress=False)
    convert(release, tmp_path / 'out', size=64, progress=False)
    with pytest.raises(DatasetError, match='is not empty'):
        convert(release, tmp_path / 'out', size=64, progress=False)
    (release / 'train' / 'gt' / '0_clean.png').unlink()
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPT))['main']([str(release), str(tmp_path / 'other')])
    assert stopped.value.code == 2 and 'counterpart is missing' in capsys.readouterr().err


def test_script_converts_the_set(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, 'argv', [SCRIPT.name, str(release), str(tmp_path / 'out'), '--size', '90'])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPT), run_name='__main__')
    assert stopped.value.code == 0
    assert json.loads(capsys.readouterr().out)['train'] == 12
