"""Transforms of mmcv and mmagic in a pipeline with transforms of this package."""

from typing import Any

import numpy as np
import pytest

from rainrestore.datasets import FaceDataset
from rainrestore.datasets.transforms.base import FaceTransform
from rainrestore.registry import TRANSFORMS

mmcv_transforms = pytest.importorskip('mmcv.transforms')
pytest.importorskip('mmagic')

PLAIN = FaceDataset(split='val', limit=1)[0]


def apply(*steps: dict[str, Any]) -> dict[str, Any]:
    return FaceDataset(split='val', limit=1, pipeline=list(steps))[0]


def test_every_transform_is_an_mmcv_transform() -> None:
    TRANSFORMS.import_from_location()
    own = [part for part in TRANSFORMS.module_dict.values() if part.__module__.startswith('rainrestore.')]
    assert own
    assert all(issubclass(part, mmcv_transforms.BaseTransform) for part in own)
    assert issubclass(FaceTransform, mmcv_transforms.BaseTransform)


def test_mmcv_wraps_own_transforms() -> None:
    flip = dict(type='rainrestore.FlipFace', prob=1.0)
    always = apply(dict(type='mmcv.RandomApply', prob=1.0, transforms=[flip]))
    np.testing.assert_array_equal(always['gt'], PLAIN['gt'][:, ::-1])
    never = apply(dict(type='mmcv.RandomApply', prob=0.0, transforms=[flip]))
    np.testing.assert_array_equal(never['gt'], PLAIN['gt'])
    chosen = apply(dict(type='mmcv.RandomChoice', transforms=[[flip], [flip]]))
    np.testing.assert_array_equal(chosen['gt'], PLAIN['gt'][:, ::-1])


def test_mmcv_resizes_the_ground_truth_before_own_rain() -> None:
    resize = dict(
        type='mmcv.KeyMapper',
        mapping=dict(img='gt'),
        auto_remap=True,
        transforms=[dict(type='mmcv.Resize', scale=(64, 64))],
    )
    sample = apply(resize, dict(type='ScaleAwareHeavyRain', seed=1))
    assert sample['gt'].shape == (64, 64, 3)
    assert sample['img'].shape == (16, 16, 3)


def test_mmagic_transforms_work_between_own_transforms() -> None:
    rainy = apply(dict(type='ScaleAwareHeavyRain', seed=1))
    sample = apply(
        dict(type='mmagic.CopyValues', src_keys=['gt'], dst_keys=['original']),
        dict(type='ScaleAwareHeavyRain', seed=1),
        dict(type='mmagic.RandomJPEGCompression', params=dict(quality=[20, 21]), keys=['img'], bgr2rgb=False),
        dict(type='mmagic.Flip', keys=['img', 'gt'], flip_ratio=1.0, direction='vertical'),
        dict(type='PackFaceInputs'),
    )
    np.testing.assert_array_equal(sample['data_samples'].gt_img.numpy(), PLAIN['gt'][::-1].transpose(2, 0, 1))
    upright = sample['inputs'].numpy().transpose(1, 2, 0)[::-1].astype(int)
    # JPEG at quality 20 changes the image a little
    assert 1 < np.abs(upright - rainy['img']).mean() < 20
