"""The CelebAMask-HQ converter on a tiny generated release."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from celebamask_hq import (
    convert,
    merge_parts,
    shrink_labels,
    split_counts,
    split_faces,
)
from conftest import RELEASED, face_colour, write_release
from PIL import Image

from rainrestore.datasets import LABELS, DatasetError, FaceDataset, ImageFileError


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Six faces in the layout of the release."""
    return write_release(tmp_path / 'CelebAMask-HQ')


def test_split_has_the_sizes_and_proportions_of_the_paper():
    assert split_counts(30_000) == split_counts(19_900) == dict(train=18_000, val=1_800, test=100)
    assert split_counts(1_990) == dict(train=1_800, val=180, test=10)
    assert split_counts(3) == dict(train=1, val=1, test=1)
    for faces in range(3, 400):
        counts = split_counts(faces)
        assert sum(counts.values()) == faces and min(counts.values()) >= 1
    with pytest.raises(DatasetError, match='2 faces cannot be split'):
        split_counts(2)


def test_split_depends_only_on_its_seed():
    numbers = list(range(500))
    first = split_faces(numbers, seed=0)
    assert first == split_faces(numbers[::-1], seed=0)
    assert first != split_faces(numbers, seed=1)
    together = first['train'] + first['val'] + first['test']
    assert sorted(together) == numbers
    # Fixed values: another order would move faces between train and test in every converted data set.
    assert split_faces(list(range(30_000)), seed=0)['test'][:5] == [1335, 2115, 3089, 3143, 3222]


def test_surplus_faces_are_skipped():
    splits = split_faces(list(range(20_500)))
    assert {name: len(faces) for name, faces in splits.items()} == dict(train=18_000, val=1_800, test=100)
    assert len(set().union(*splits.values())) == 19_900


def test_later_parts_cover_earlier_parts(release):
    merged = merge_parts(release, 2000)
    assert merged.shape == (128, 128)
    assert LABELS[merged[20, 20]] == 'skin'
    assert LABELS[merged[50, 80]] == 'l_eye' and LABELS[merged[50, 45]] == 'r_eye'
    assert LABELS[merged[90, 18]] == 'earring'
    assert LABELS[merged[115, 60]] == 'cloth'  # covers the skin
    assert LABELS[merged[5, 5]] == 'background'


def test_labels_are_reduced_by_majority():
    mask = np.array([[1, 1, 2, 2], [1, 3, 3, 3], [4, 4, 0, 0], [5, 5, 0, 6]], dtype=np.uint8)
    np.testing.assert_array_equal(shrink_labels(mask, 2), [[1, 2], [4, 0]])
    with pytest.raises(ValueError, match='cannot be divided'):
        shrink_labels(mask, 3)


@pytest.mark.parametrize('workers', [1, 2])
def test_converted_release_is_a_data_set(release, tmp_path, workers):
    outcome = convert(release, tmp_path / 'out', size=32, workers=workers, progress=False)
    assert outcome == dict(train=4, val=1, test=1, skipped={})
    names = []
    for split in ('train', 'val', 'test'):
        dataset = FaceDataset(tmp_path / 'out', split=split, size=32)
        assert dataset.label_valid.all()
        for sample in dataset:
            names.append(int(sample['name']))
            assert np.abs(sample['gt'].astype(int) - face_colour(names[-1])).max() <= 3
            expected = merge_parts(release, names[-1])[2::4, 2::4]  # here the parts end at cell borders
            np.testing.assert_array_equal(sample['mask'], expected)
    assert sorted(names) == RELEASED
    assert not list((tmp_path / 'out').rglob('*.tmp'))


def test_missing_release_is_named(release, tmp_path):
    with pytest.raises(DatasetError, match=r'nowhere.CelebA-HQ-img: no such folder.*unpacked CelebAMask-HQ'):
        convert(tmp_path / 'nowhere', tmp_path / 'out')
    (release / 'CelebAMask-HQ-mask-anno').rename(release / 'masks')
    with pytest.raises(DatasetError, match='CelebAMask-HQ-mask-anno: no such folder'):
        convert(release, tmp_path / 'out')


def test_existing_splits_are_not_mixed(release, tmp_path):
    convert(release, tmp_path / 'out', size=32, progress=False)
    with pytest.raises(DatasetError, match='is not empty'):
        convert(release, tmp_path / 'out', size=32, seed=1, progress=False)


def break_image(release: Path) -> str:
    path = release / 'CelebA-HQ-img/7.jpg'
    path.write_bytes(path.read_bytes()[:300])
    return '7.jpg'


def break_part(release: Path) -> str:
    (release / 'CelebAMask-HQ-mask-anno/0/00007_skin.png').write_bytes(b'words')
    return '00007_skin.png'


def no_parts(release: Path) -> str:
    for path in (release / 'CelebAMask-HQ-mask-anno/0').glob('00007_*'):
        path.unlink()
    return '00007_skin.png'


def odd_part(release: Path) -> str:
    Image.new('L', (100, 100)).save(release / 'CelebAMask-HQ-mask-anno/0/00007_l_eye.png')
    return '00007_l_eye.png'


def flat_image(release: Path) -> str:
    Image.new('RGB', (256, 200)).save(release / 'CelebA-HQ-img/7.jpg')
    return '7.jpg'


@pytest.mark.parametrize('workers', [1, 2])
@pytest.mark.parametrize('spoil', [break_image, break_part, no_parts, odd_part, flat_image])
def test_invalid_file_is_named_or_skipped(release, tmp_path, spoil, workers):
    named = spoil(release)
    with pytest.raises(ImageFileError, match=named):
        convert(release, tmp_path / 'stopped', size=32, workers=workers, progress=False)
    outcome = convert(release, tmp_path / 'out', size=32, on_bad_file='skip', workers=workers, progress=False)
    assert outcome['train'] + outcome['val'] + outcome['test'] == 5
    (skipped,) = outcome['skipped']
    assert skipped.endswith(named)


def test_indivisible_size_is_refused(release, tmp_path):
    with pytest.raises(ImageFileError, match=r'cannot be divided into 48x48.*choose a size'):
        convert(release, tmp_path / 'out', size=48, progress=False)


def test_script_prints_json_last_and_fails_with_one_line(release, tmp_path, capsys, monkeypatch):
    tool = Path(__file__).resolve().parents[1] / 'tools/dataset_converters/celebamask_hq.py'
    monkeypatch.setattr(sys, 'argv', [str(tool), str(release), str(tmp_path / 'out'), '--size', '32', '--workers', '1'])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(tool), run_name='__main__')
    captured = capsys.readouterr()
    assert stop.value.code == 0
    assert json.loads(captured.out.splitlines()[-1]) == dict(train=4, val=1, test=1, skipped={})
    assert '6/6' in captured.err  # the progress bar
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(tool))['main']([str(tmp_path / 'nowhere'), str(tmp_path / 'other')])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith('error: ')
