"""Shares of the labels: a known answer, the bundled faces, the tool."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from label_shares import label_shares
from PIL import Image

from rainrestore.datasets import DatasetError
from rainrestore.datasets.face_dataset import BUNDLED_DATA
from rainrestore.labels import NUM_LABELS, PORTRAIT_LABELS

TOOL = Path(__file__).parents[1] / 'tools' / 'dataset_converters' / 'label_shares.py'


def test_shares_count_pixels(tmp_path: Path) -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[:4] = 1
    mask[0, :2] = 4
    Image.fromarray(mask).save(tmp_path / 'a.png')
    Image.fromarray(np.full((8, 8), 13, np.uint8)).save(tmp_path / 'b.png')
    expected = np.zeros(NUM_LABELS)
    expected[[0, 1, 4, 13]] = 32 / 128, 30 / 128, 2 / 128, 64 / 128
    np.testing.assert_allclose(label_shares(tmp_path), expected)


def test_script_prints_the_shares(capsys: pytest.CaptureFixture) -> None:
    main = runpy.run_path(str(TOOL))['main']
    assert main([str(BUNDLED_DATA), '--split', 'val']) == 0
    shares = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(shares) == NUM_LABELS and sum(shares) == pytest.approx(1, abs=1e-4)
    assert {label for label, share in enumerate(shares) if share} == set(PORTRAIT_LABELS)


def test_folder_without_masks_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match='contains no mask'):
        label_shares(tmp_path)
    with pytest.raises(SystemExit, match='2'):
        runpy.run_path(str(TOOL))['main']([str(tmp_path)])
