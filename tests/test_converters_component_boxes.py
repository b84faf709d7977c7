"""Component boxes against boxes computed by hand."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from component_boxes import component_boxes, fit_box, tight_box
from PIL import Image

from rainrestore.datasets import DatasetError, ImageFileError


def save(folder: Path, name: str, **boxes: tuple[int, int, int, int, int]) -> None:
    """A mask of rectangles: label, x0, y0, x1, y1 half-open."""
    folder.mkdir(parents=True, exist_ok=True)
    mask = np.ones((128, 128), np.uint8)
    for label, x0, y0, x1, y1 in boxes.values():
        mask[y0:y1, x0:x1] = label
    Image.fromarray(mask).save(folder / f'{name}.png')


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    folder = tmp_path / 'train' / 'mask'
    save(folder, 'a', right=(5, 43, 59, 54, 63), left=(4, 74, 59, 85, 63), brow=(6, 70, 50, 91, 54),
         nose=(2, 54, 59, 74, 86), lips=(11, 51, 91, 77, 95), lower=(12, 55, 95, 70, 102))  # fmt: skip
    save(folder, 'b', right=(5, 37, 55, 50, 60), left=(4, 80, 55, 93, 64), brow=(7, 30, 42, 50, 46),
         nose=(2, 56, 61, 72, 88), lips=(10, 49, 89, 79, 104))  # fmt: skip
    save(folder, 'c', right=(5, 2, 2, 9, 9), nose=(2, 58, 60, 73, 87))  # only one eye, no lips
    return folder


def test_tight_box_is_half_open():
    mask = np.zeros((8, 9), np.uint8)
    mask[2:5, 3:7] = 2
    assert tight_box(mask, [[2]]) == (3, 2, 7, 5)
    assert tight_box(mask, [[4, 6]]) is None
    assert tight_box(mask, [[2], [4]]) is None


def test_boxes_equal_those_computed_by_hand(masks):
    # eyes: a 43 50 91 63, b 30 42 93 64 (c shows one eye and does not count): mean 36.5 46 92 63.5 -> 37 46 92 64,
    #   18 high -> 14 more, 7 above: 39..71
    # nose: a 54 59 74 86, b 56 61 72 88, c 58 60 73 87: mean 56 60 73 87, 17 wide -> 23 more, 11 left: 45..85;
    #   27 high -> 5 more, 2 above: 58..90
    # lips: a 51 91 77 102, b 49 89 79 104: mean 50 90 78 103, 28 wide -> 12 more: 44..84;
    #   13 high -> 19 more, 9 above: 81..113
    assert component_boxes(masks) == dict(eyes=(37, 39, 92, 71), nose=(45, 58, 85, 90), lips=(44, 81, 84, 113))


def test_boxes_are_moved_inside_the_image():
    assert fit_box((0, 0, 10, 10), 128, 128) == (0, 0, 40, 32)
    assert fit_box((120, 120, 128, 128), 128, 128) == (88, 96, 128, 128)
    assert fit_box((3, 4, 60, 50), 128, 128) == (3, 4, 60, 50)
    with pytest.raises(ValueError, match='does not fit a 32x32 image'):
        fit_box((0, 0, 10, 10), 32, 32)


def test_invalid_folders_are_refused(masks, tmp_path):
    with pytest.raises(DatasetError, match='no such folder'):
        component_boxes(tmp_path / 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DatasetError, match='contains no mask'):
        component_boxes(tmp_path / 'empty')
    save(tmp_path / 'no_lips', 'a', right=(5, 3, 3, 5, 5), left=(4, 9, 3, 12, 5), nose=(2, 5, 5, 8, 8))
    with pytest.raises(DatasetError, match='no mask shows lips'):
        component_boxes(tmp_path / 'no_lips')
    Image.new('L', (64, 64)).save(masks / 'd.png')
    with pytest.raises(ImageFileError, match=r'd\.png: is 64x64, the masks before it are 128x128'):
        component_boxes(masks)


def test_script_prints_json_last(masks, capsys, monkeypatch):
    tool = Path(__file__).resolve().parents[1] / 'tools/dataset_converters/component_boxes.py'
    monkeypatch.setattr(sys, 'argv', [str(tool), str(masks.parents[1])])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(tool), run_name='__main__')
    assert stop.value.code == 0
    boxes = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert boxes == dict(eyes=[37, 39, 92, 71], nose=[45, 58, 85, 90], lips=[44, 81, 84, 113])


def test_boxes_of_the_portraits_contain_the_parts(portraits):
    boxes = component_boxes(portraits / 'train' / 'mask')
    for x0, y0, x1, y1 in boxes.values():
        assert 0 <= x0 <= x1 - 40
        assert 0 <= y0 <= y1 - 32
        assert max(x1, y1) <= 128
    assert boxes['eyes'][3] <= boxes['lips'][1]
