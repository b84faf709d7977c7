"""Pairs by name, in the layout of the Raindrop set, and the crops that keep them aligned."""

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from narrow import narrow
from PIL import Image

from rainrestore.datasets import PairedDataset
from rainrestore.engine.config import load_config
from rainrestore.engine.optim import SlotOptimWrapperConstructor
from rainrestore.errors import DatasetError, ImageFileError
from rainrestore.registry import DATASETS, MODELS, TRANSFORMS

RAINDROP = dict(type='PairedDataset', given_suffix='_rain', truth_suffix='_clean')


@pytest.fixture
def root(tmp_path):
    """Three pairs; each pixel value encodes its position, and the input is one level brighter."""
    for folder, end in (('data', '_rain'), ('gt', '_clean')):
        (tmp_path / 'train' / folder).mkdir(parents=True)
        for number in (0, 7, 11):
            rows, columns = np.mgrid[:40, :60].astype(np.uint8)
            image = np.stack([rows, columns, np.full_like(rows, number)], 2) + (folder == 'data')
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / 'train' / folder / f'{number}{end}.png')
    return tmp_path


def test_pairs_have_matching_names(root):
    data = DATASETS.build(dict(RAINDROP, data_root=str(root)))
    assert sorted(data[index]['name'] for index in range(len(data))) == ['0', '11', '7']
    for index in range(3):
        sample = data[index]
        assert sample['gt'][0, 0, 2] == int(sample['name'])
        np.testing.assert_array_equal(sample['img'], sample['gt'] + 1)
    assert len(DATASETS.build(dict(RAINDROP, data_root=str(root), limit=2))) == 2


def test_suffixes_in_capitals_are_paired(root):
    for folder, suffixes in (('data', ('.PNG', '.png', '.Png')), ('gt', ('.png', '.PNG', '.png'))):
        for path, suffix in zip(sorted((root / 'train' / folder).iterdir()), suffixes, strict=True):
            path.rename(path.with_suffix(suffix))
    data = DATASETS.build(dict(RAINDROP, data_root=str(root)))
    assert sorted(data[index]['name'] for index in range(len(data))) == ['0', '11', '7']


def test_ground_truth_without_inputs_is_any_folder_of_images(root):
    data = PairedDataset(root / 'train' / 'gt', split='', given=None, truth='')
    assert [data[index]['name'] for index in range(3)] == ['0_clean', '11_clean', '7_clean']
    assert 'img' not in data[0]


def test_unpaired_file_is_named(root):
    (root / 'train' / 'data' / '7_rain.png').unlink()
    with pytest.raises(DatasetError, match=r'7_clean\.png: its counterpart is missing'):
        DATASETS.build(dict(RAINDROP, data_root=str(root)))
    Image.new('RGB', (60, 41)).save(root / 'train' / 'data' / '7_rain.png')
    data = DATASETS.build(dict(RAINDROP, data_root=str(root)))
    with pytest.raises(ImageFileError, match=r'7_rain\.png.*60x41, its ground truth 60x40'):
        data[2]
    Image.new('RGB', (60, 40)).save(root / 'train' / 'data' / 'other.png')
    with pytest.raises(DatasetError, match=r"other\.png: expected a name that ends in '_rain'"):
        DATASETS.build(dict(RAINDROP, data_root=str(root)))
    with pytest.raises(DatasetError, match='no such folder'):
        DATASETS.build(dict(RAINDROP, data_root=str(root), split='test_a'))


@pytest.mark.parametrize('random', [True, False])
def test_crops_and_flips_stay_aligned(root, random):
    steps = [dict(type='CropPair', size=16, random=random), dict(type='FlipPair', prob=0.5 if random else 0)]
    data = DATASETS.build(dict(RAINDROP, data_root=str(root), pipeline=steps))
    corners = set()
    for _ in range(12):
        sample = data[0]
        assert sample['gt'].shape == (16, 16, 3)
        np.testing.assert_array_equal(sample['img'], sample['gt'] + 1)
        # columns ascend, or descend in a flipped image
        steps_right = np.diff(sample['gt'][0, :, 1].astype(int))
        assert (steps_right == (-1 if sample['flip'] else 1)).all()
        corners.add((*sample['gt'][0, 0, :2].tolist(), sample['flip']))
    assert (len(corners) > 4) if random else corners == {(12, 22, False)}


def test_image_smaller_than_the_crop_is_named(root):
    data = DATASETS.build(dict(RAINDROP, data_root=str(root), pipeline=[dict(type='CropPair', size=64)]))
    with pytest.raises(DatasetError, match=r'_clean\.png: 60x40 is smaller than the crop of 64'):
        data[0]
    with pytest.raises(ValueError, match='prob'):
        TRANSFORMS.build(dict(type='FlipPair', prob=2))


@pytest.mark.parametrize('method', ['cgan', 'pix2pix', 'plus'])
def test_training_on_the_raindrop_set_works(tmp_path, method):
    pytest.importorskip('mmagic')
    for split in ('train', 'test_a'):
        for folder, end in (('data', 'rain'), ('gt', 'clean')):
            (tmp_path / split / folder).mkdir(parents=True)
            for number in range(2):
                Image.new('RGB', (272, 260), (90, 20 * number, 40)).save(
                    tmp_path / split / folder / f'{number}_{end}.png'
                )
    config = load_config(f'raindrop_{method}_qian', data_root=tmp_path)
    config.merge_from_dict({'model': narrow(config.model)})
    assert config.val_dataloader.dataset.split == 'test_a'
    data = DATASETS.build(config.train_dataloader.dataset)
    batch = {key: [data[0][key], data[1][key]] for key in ('inputs', 'data_samples')}
    assert batch['inputs'][0].shape == (3, 256, 256)
    model = MODELS.build(config.model)
    if method == 'plus':
        wrapper = OptimWrapper(torch.optim.Adam(model.parameters()))
        assert {'loss_pixel', 'loss_vgg'} <= set(model.train_step(batch, wrapper))
        return
    groups = {key: value for key, value in config.optim_wrapper.items() if key != 'constructor'}
    log = model.train_step(batch, SlotOptimWrapperConstructor(groups)(model))
    assert {'loss_adv_global', 'loss_disc_global'} <= set(log)
    assert ('loss_pixel' in log) == (config.model.pixel_loss is not None)


def test_pairs_must_have_the_configured_scale(root):
    for file in (root / 'train' / 'data').iterdir():
        image = Image.open(file)
        image.resize((image.width // 4, image.height // 4)).save(file)
    sample = DATASETS.build(dict(RAINDROP, data_root=str(root), scale=4))[0]
    assert sample['gt'].shape[:2] == (40, 60) and sample['img'].shape[:2] == (10, 15)
    with pytest.raises(ImageFileError, match=r'is 15x10, its ground truth 60x40; a pair must have sizes of 1 to 2'):
        DATASETS.build(dict(RAINDROP, data_root=str(root), scale=2))[0]
