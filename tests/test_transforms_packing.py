"""PackFaceInputs: axes, types, values and colour order of every field."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

pytest.importorskip('mmagic')

from rainrestore.datasets import FaceDataset
from rainrestore.datasets.transforms import PackFaceInputs


@pytest.fixture
def results() -> dict:
    rng = np.random.default_rng(0)
    return dict(
        name='a',
        gt_path='x/a.png',
        gt=rng.integers(0, 256, (16, 24, 3), dtype=np.uint8),
        mask=rng.integers(0, 19, (16, 24), dtype=np.uint8),
        img=rng.integers(0, 256, (4, 6, 3), dtype=np.uint8),
        lr=rng.random((4, 6, 3), dtype=np.float32),
        streak=rng.random((4, 6, 3), dtype=np.float32),
        transmission=rng.random((4, 6, 1), dtype=np.float32),
        airlight=rng.random((1, 1, 3), dtype=np.float32),
        parsing=rng.random((4, 6, 19), dtype=np.float32),
        label_valid=np.arange(19) % 2 == 0,
        rain=dict(beta=0.7),
    )


def test_every_field_is_packed(results):
    packed = PackFaceInputs()(results)
    sample = packed['data_samples']
    assert packed['inputs'].shape == (3, 4, 6) and packed['inputs'].dtype == torch.uint8
    for source, target, dtype in (
        ('gt', 'gt_img', torch.uint8), ('lr', 'lr_img', torch.float32), ('streak', 'streak', torch.float32),
        ('transmission', 'transmission', torch.float32), ('airlight', 'airlight', torch.float32),
        ('parsing', 'parsing', torch.float32),
    ):  # fmt: skip
        tensor = getattr(sample, target)
        assert tensor.dtype == dtype and tensor.is_contiguous()
        for channel in range(results[source].shape[2]):
            np.testing.assert_array_equal(tensor[channel].numpy(), results[source][:, :, channel])
    np.testing.assert_array_equal(packed['inputs'].permute(1, 2, 0).numpy(), results['img'])
    np.testing.assert_array_equal(sample.mask.numpy(), results['mask'][None])
    assert sample.parsing_labels.tolist() == results['label_valid'].tolist()
    assert sample.metainfo == dict(name='a', gt_path='x/a.png', rain=dict(beta=0.7))


def test_sample_without_ground_truth_is_packed(results):
    packed = PackFaceInputs()(dict(name='a', img=results['img']))
    assert packed['data_samples'].keys() == [] and packed['data_samples'].metainfo == dict(name='a')


def test_palette_has_only_annotated_channels(results):
    results['parsing'] = results['parsing'][:, :, :3]
    assert PackFaceInputs()(results)['data_samples'].parsing_labels.tolist() == [True] * 3


def test_tensors_do_not_share_memory_with_the_sample(results):
    packed = PackFaceInputs()(results)
    before = packed['inputs'].clone(), packed['data_samples'].mask.clone(), packed['data_samples'].lr_img.clone()
    for key in ('img', 'mask', 'lr'):
        results[key][...] = 0
    after = packed['inputs'], packed['data_samples'].mask, packed['data_samples'].lr_img
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_invalid_samples_are_refused(results):
    with pytest.raises(KeyError, match="no 'img'"):
        PackFaceInputs()(dict(gt=results['gt']))
    with pytest.raises(TypeError, match="'gt' must be uint8"):
        PackFaceInputs()(dict(results, gt=results['gt'].astype(np.float32)))


def test_red_stays_red_through_the_training_pipeline(face_folder):
    from PIL import Image

    for path in (face_folder / 'train/img').iterdir():
        Image.new('RGB', (128, 128), (255, 0, 0)).save(path)
    pipeline = [dict(type=name) for name in ('FlipFace', 'ScaleAwareHeavyRain', 'ParsingTarget', 'PackFaceInputs')]
    packed = FaceDataset(face_folder, pipeline=pipeline)[0]
    sample = packed['data_samples']
    assert sample.gt_img[0].min() == 255 and sample.gt_img[1:].max() == 0
    assert sample.lr_img[0].min() > 0.99 and sample.lr_img[1:].max() < 0.01
    # Haze and rain are grey: red stays the largest channel.
    assert (packed['inputs'][0] >= packed['inputs'][1]).all() and (packed['inputs'][0] >= packed['inputs'][2]).all()
    assert packed['inputs'][0].float().mean() > packed['inputs'][2].float().mean() + 10
    pickle.loads(pickle.dumps(packed))
