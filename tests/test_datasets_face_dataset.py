"""FaceDataset: samples, sources, and one clear error for each kind of invalid data."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import RepeatDataset, pseudo_collate
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from rainrestore.datasets import PORTRAIT_LABELS, DatasetError, FaceDataset, ImageFileError, face_dataset
from rainrestore.registry import DATASETS


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def words(path: Path) -> None:
    path.write_bytes(b'these are words, not pixels')


def resize(path: Path) -> None:
    Image.open(path).resize((96, 128), Image.Resampling.NEAREST).save(path)


def label_19(path: Path) -> None:
    mask = np.array(Image.open(path))
    mask[4, 4] = 19
    Image.fromarray(mask).save(path)


def colour(path: Path) -> None:
    Image.new('RGB', (128, 128), (204, 0, 0)).save(path)


def leave_notes(path: Path) -> None:
    path.rename(path.with_suffix('.txt'))
    words(path.with_suffix('.txt'))


# (file, change to it, file in the error message, text of the message)
BAD_FILES = [
    ('img/train_1.png', cut, 'img/train_1.png', 'truncated'),
    ('mask/train_1.png', cut, 'mask/train_1.png', 'truncated'),
    ('img/train_1.png', words, 'img/train_1.png', 'not a readable image'),
    ('mask/train_1.png', words, 'mask/train_1.png', 'not a readable image'),
    # Every visible file in img must be an image; a file with a wrong suffix is not skipped silently.
    ('img/train_1.png', leave_notes, 'img/train_1.txt', 'not a readable image'),
    ('img/train_1.png', resize, 'img/train_1.png', 'is 96x128, expected 128x128'),
    ('mask/train_1.png', resize, 'mask/train_1.png', 'is 96x128, expected 128x128'),
    ('mask/train_1.png', label_19, 'mask/train_1.png', 'has label 19'),
    ('mask/train_1.png', colour, 'mask/train_1.png', 'is a colour image'),
    ('mask/train_1.png', Path.unlink, 'img/train_1.png', 'has no mask'),
    ('img/train_1.png', Path.unlink, 'mask/train_1.png', 'has no image'),
]
BAD_IDS = [f'{action.__name__}-{name.split("/")[0]}' for name, action, _, _ in BAD_FILES]


def test_sample_equals_its_files(face_folder):
    dataset = FaceDataset(face_folder, split='val')
    assert len(dataset) == 3
    sample = dataset[1]
    assert sample['name'] == 'val_1'
    assert sample['gt_path'] == str(face_folder / 'val/img/val_1.png')
    assert sample['mask_path'] == str(face_folder / 'val/mask/val_1.png')
    np.testing.assert_array_equal(sample['gt'], np.array(Image.open(sample['gt_path'])))
    np.testing.assert_array_equal(sample['mask'], np.array(Image.open(sample['mask_path'])))
    assert sample['label_valid'].all() and sample['label_valid'].shape == (19,)


def test_samples_are_copies(face_folder):
    dataset = FaceDataset(face_folder)
    before = dataset[0]
    spoilt = dataset[0]
    for key in ('gt', 'mask', 'label_valid'):
        spoilt[key][...] = 0
    after = dataset[0]
    for key in ('gt', 'mask', 'label_valid'):
        np.testing.assert_array_equal(after[key], before[key])
        assert before[key].any()


def test_names_are_sorted_and_limit_selects_the_first(face_folder):
    names = [f'train_{index}' for index in range(6)]
    assert [sample['name'] for sample in FaceDataset(face_folder)] == names
    assert [sample['name'] for sample in FaceDataset(face_folder, limit=2)] == names[:2]


def test_faces_of_any_size_are_read(tmp_path):
    for kind, shape in (('img', (64, 64, 3)), ('mask', (64, 64))):
        (tmp_path / 'train' / kind).mkdir(parents=True)
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / 'train' / kind / 'a.png')
    assert FaceDataset(tmp_path, size=64)[0]['gt'].shape == (64, 64, 3)


def test_decoding_at_access_gives_equal_samples(face_folder, monkeypatch):
    kept = FaceDataset(face_folder)
    monkeypatch.setattr(face_dataset, 'MEMORY_LIMIT', 0)
    lazy = FaceDataset(face_folder)
    assert lazy._images is None and kept._images is not None
    for one, other in zip(kept, lazy, strict=True):
        np.testing.assert_array_equal(one['gt'], other['gt'])
        np.testing.assert_array_equal(one['mask'], other['mask'])
    label_19(face_folder / 'train/mask/train_2.png')
    with pytest.raises(ImageFileError, match=r'train_2\.png'):
        FaceDataset(face_folder)


@pytest.mark.parametrize(('file', 'action', 'named', 'says'), BAD_FILES, ids=BAD_IDS)
def test_error_for_an_invalid_file_names_it(face_folder, file, action, named, says):
    action(face_folder / 'train' / file)
    with pytest.raises(DatasetError) as caught:
        FaceDataset(face_folder)
    assert str(face_folder / 'train' / named) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(('file', 'action', 'named', 'says'), BAD_FILES, ids=BAD_IDS)
def test_invalid_files_are_skipped_counted_and_reported_once(face_folder, monkeypatch, file, action, named, says):
    action(face_folder / 'train' / file)
    warnings: list[str] = []

    class Logger:
        def warning(self, message, *values):
            warnings.append(message % values)

    monkeypatch.setattr(face_dataset.MMLogger, 'get_current_instance', Logger)
    dataset = FaceDataset(face_folder, on_bad_file='skip')
    assert [sample['name'] for sample in dataset] == [f'train_{index}' for index in (0, 2, 3, 4, 5)]
    assert list(dataset.skipped) == [str(face_folder / 'train' / named)]
    assert says in next(iter(dataset.skipped.values()))
    assert len(warnings) == 1
    assert 'skipped 1 bad files, kept 5 faces' in warnings[0] and named in warnings[0]


def test_samples_after_a_skipped_file_are_correct(face_folder):
    cut(face_folder / 'train/img/train_0.png')
    sample = FaceDataset(face_folder, on_bad_file='skip')[3]
    np.testing.assert_array_equal(sample['gt'], np.array(Image.open(sample['gt_path'])))
    np.testing.assert_array_equal(sample['mask'], np.array(Image.open(sample['mask_path'])))


def test_empty_data_set_is_an_error_even_with_skipping(face_folder):
    for path in (face_folder / 'val/img').iterdir():
        words(path)
    with pytest.raises(DatasetError, match='no usable face'):
        FaceDataset(face_folder, split='val', on_bad_file='skip')


def test_missing_and_empty_folders_are_named(face_folder):
    with pytest.raises(DatasetError, match=r'nowhere: no such data set.*RAINRESTORE_DATA'):
        FaceDataset(face_folder / 'nowhere')
    with pytest.raises(DatasetError, match=r'dev.img: no such folder.*\{train,val,test\}/\{img,mask\}'):
        FaceDataset(face_folder, split='dev')
    shutil.rmtree(face_folder / 'val/img')
    with pytest.raises(DatasetError, match=r'val.img: no such folder'):
        FaceDataset(face_folder, split='val')
    (face_folder / 'val/img').mkdir()
    shutil.rmtree(face_folder / 'val/mask')
    (face_folder / 'val/mask').mkdir()
    with pytest.raises(DatasetError, match=r'val: no usable face'):
        FaceDataset(face_folder, split='val')


def test_optional_masks_may_be_absent(face_folder):
    shutil.rmtree(face_folder / 'test/mask')
    with pytest.raises(DatasetError, match=r'test.mask: no such folder.*require_masks=False'):
        FaceDataset(face_folder, split='test')
    sample = FaceDataset(face_folder, split='test', require_masks=False)[0]
    assert 'mask' not in sample and 'mask_path' not in sample and sample['gt'].shape == (128, 128, 3)


def test_nested_folders_are_refused(face_folder):
    inner = face_folder / 'train' / 'img' / 'more'
    inner.mkdir()
    FaceDataset(face_folder)
    first = next((face_folder / 'train' / 'img').glob('*.*'))
    shutil.copy(first, inner / 'other.jpg')
    with pytest.raises(DatasetError, match=r'other\.jpg: sub-folders are not read; move their images to'):
        FaceDataset(face_folder)
    for image in (face_folder / 'train' / 'img').glob('*.*'):
        image.rename(inner / image.name)
    with pytest.raises(DatasetError, match='sub-folders are not read; move their images to'):
        FaceDataset(face_folder)


def test_suffixes_in_capitals_are_accepted(face_folder):
    before = [item['name'] for item in FaceDataset(face_folder)]
    for number, path in enumerate(sorted((face_folder / 'train').rglob('*.*'))):
        path.rename(path.with_suffix(path.suffix.upper() if number % 3 else path.suffix.title()))
    assert [item['name'] for item in FaceDataset(face_folder)] == before


def test_two_files_with_one_name_are_refused(face_folder):
    shutil.copy(face_folder / 'train/img/train_0.png', face_folder / 'train/img/train_0.bmp')
    with pytest.raises(DatasetError, match=r'train_0\.png: same name as train_0\.bmp'):
        FaceDataset(face_folder)


@pytest.mark.parametrize(
    'content',
    ['{', '[]', '{"label": [1]}', '{"labels": []}', '{"labels": [19]}', '{"labels": ["skin"]}', '{"labels": 3}',
     '{"labels": [true]}', f'{{"labels": [1{"0" * 5000}]}}', '[' * 100_000],
)  # fmt: skip
def test_invalid_labels_file_is_named(face_folder, content):
    (face_folder / 'labels.json').write_text(content)
    with pytest.raises(DatasetError, match=r'labels\.json'):
        FaceDataset(face_folder)


def test_labels_come_from_the_argument_the_file_or_the_default(face_folder):
    assert FaceDataset(face_folder).label_valid.all()
    (face_folder / 'labels.json').write_text(json.dumps(dict(labels=[0, 2])))
    assert np.flatnonzero(FaceDataset(face_folder)[0]['label_valid']).tolist() == [0, 2]
    assert np.flatnonzero(FaceDataset(face_folder, labels=(1, 18)).label_valid).tolist() == [1, 18]


def test_invalid_options_are_refused():
    with pytest.raises(ValueError, match="on_bad_file must be 'raise' or 'skip'"):
        FaceDataset(on_bad_file='ignore')
    with pytest.raises(ValueError, match='limit must be at least 1'):
        FaceDataset(limit=0)


def test_data_root_is_the_argument_the_variable_or_the_bundled_data(face_folder, portraits, monkeypatch):
    monkeypatch.delenv('RAINRESTORE_DATA', raising=False)
    assert FaceDataset(split='val', limit=1).data_root == str(portraits)
    monkeypatch.setenv('RAINRESTORE_DATA', str(face_folder))
    assert FaceDataset(split='val')[0]['name'] == 'val_0'
    assert FaceDataset(portraits, split='val', limit=1).data_root == str(portraits)


def test_data_set_can_be_pickled_and_used_in_workers(face_folder):
    pipeline = [dict(type='ParsingTarget')]
    dataset = DATASETS.build(dict(type='FaceDataset', data_root=str(face_folder), pipeline=pipeline))
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again[4]['gt'], dataset[4]['gt'])
    loader = DataLoader(dataset, batch_size=2, num_workers=2, collate_fn=pseudo_collate)
    names = [name for batch in loader for name in batch['name']]
    assert names == [f'train_{index}' for index in range(6)]


def test_data_set_works_in_wrappers_and_subsets_of_mmengine(face_folder):
    dataset = FaceDataset(face_folder)
    assert RepeatDataset(dataset, times=3)[13]['name'] == 'train_1'
    part = dataset.get_subset([4, 2])
    for index, name in enumerate(('train_4', 'train_2')):
        np.testing.assert_array_equal(part[index]['gt'], np.array(Image.open(face_folder / f'train/img/{name}.png')))


def test_mmagic_transform_works_in_the_pipeline(face_folder):
    pytest.importorskip('mmagic')
    flip = dict(type='mmagic.Flip', keys=['gt', 'mask'], flip_ratio=1.0, direction='horizontal')
    plain, flipped = FaceDataset(face_folder)[0], FaceDataset(face_folder, pipeline=[flip])[0]
    np.testing.assert_array_equal(flipped['gt'], plain['gt'][:, ::-1])


def test_bundled_portraits_are_complete(portraits):
    counts = {}
    for split in ('train', 'val', 'test'):
        dataset = FaceDataset(portraits, split=split)
        counts[split] = len(dataset)
        assert np.flatnonzero(dataset.label_valid).tolist() == list(PORTRAIT_LABELS)
        seen = np.unique(np.stack([sample['mask'] for sample in dataset]))
        assert set(seen.tolist()) <= set(PORTRAIT_LABELS)
    assert counts == dict(train=368, val=50, test=50)


def test_no_person_is_in_two_splits_of_the_portraits(portraits):
    rows = [line.split(',') for line in (portraits / 'portraits128.csv').read_text().splitlines()[1:]]
    persons = {split: {row[3] for row in rows if row[1] == split} for split in ('train', 'val', 'test')}
    assert not persons['train'] & persons['val'] and not persons['train'] & persons['test']
    assert not persons['val'] & persons['test']
    for name, split, *_ in rows:
        assert (portraits / split / 'img' / f'{name}.jpg').is_file(), name


class Ownership(Dataset):
    """Samples with the numbers of private and shared memory pages of the decoded images."""

    def __init__(self, faces):
        self.faces = faces

    def __len__(self):
        return len(self.faces)

    def __getitem__(self, index):
        for each in range(len(self.faces)):
            self.faces[each]['gt'] += 1
        images = self.faces._images
        page = os.sysconf('SC_PAGE_SIZE')
        first, last = -(-images.ctypes.data // page), (images.ctypes.data + images.nbytes) // page
        # one 64-bit word for each page; bit 63: in memory, bit 56: mapped by this process only (man proc_pid_pagemap)
        with open('/proc/self/pagemap', 'rb', buffering=0) as map_of_pages:
            map_of_pages.seek(8 * first)
            words = np.frombuffer(map_of_pages.read(8 * (last - first)), np.uint64)
        present, alone = ((words >> np.uint64(bit)) & np.uint64(1) for bit in (63, 56))
        return int((present & alone).sum()), int((present & ~alone & np.uint64(1)).sum())


@pytest.mark.skipif(sys.platform != 'linux', reason='pages are counted in /proc/self/pagemap, which only Linux has')
def test_workers_share_the_decoded_images(face_folder):
    """The workers read all faces several times, and no worker has a copy."""
    faces = FaceDataset(face_folder)
    pages = faces._images.nbytes // os.sysconf('SC_PAGE_SIZE')
    loader = DataLoader(Ownership(faces), batch_size=None, num_workers=2, multiprocessing_context='fork')
    for alone, shared in loader:
        assert alone == 0
        assert shared >= pages - 1
