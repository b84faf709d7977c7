"""A batch that is sent in one piece has the same content as the samples."""

import pickle
from multiprocessing.reduction import ForkingPickler

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.utils.data import DataLoader

from rainrestore.datasets import collate_in_one_piece


def sample(index: int, side: int = 8) -> dict:
    generator = torch.Generator().manual_seed(index)
    truth = BaseDataElement(metainfo={'name': f'face {index}', 'rain': {'m': index}})
    truth.set_field(torch.rand(3, side, side, generator=generator), 'gt_img')
    truth.set_field(torch.tensor([True, index % 2 == 0]), 'parsing_labels')
    return {
        'inputs': torch.randint(256, (3, side, side), dtype=torch.uint8, generator=generator),
        'data_samples': truth,
    }


def sent(batch: object) -> object:
    return pickle.loads(ForkingPickler.dumps(batch))


def same(left: object, right: object) -> bool:
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, BaseDataElement) and isinstance(right, BaseDataElement):
        one, two = (dict(element.all_items()) for element in (left, right))
        fields = set(left.keys()) == set(right.keys()) and type(left) is type(right)
        return fields and one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def samples_of_unequal_size() -> list[dict]:
    return [sample(0), sample(1, side=9)]


def samples_of_unequal_type() -> list[dict]:
    two = [sample(0), sample(1)]
    two[1]['inputs'] = two[1]['inputs'].float()
    two[1]['data_samples'].gt_img = two[1]['data_samples'].gt_img.double()
    return two


def samples_with_a_field_more() -> list[dict]:
    two = [sample(0), sample(1)]
    two[1]['data_samples'].set_field(torch.ones(2), 'transmission')
    two[0]['data_samples'].set_field('of no tensor', 'weather')
    return two


@pytest.mark.parametrize(
    'samples',
    [
        pytest.param([sample(index) for index in range(4)], id='alike'),
        pytest.param([sample(0)], id='one'),
        pytest.param(samples_of_unequal_size(), id='unequal sizes'),
        pytest.param(samples_of_unequal_type(), id='unequal types'),
        pytest.param(samples_with_a_field_more(), id='a field more'),
        pytest.param([{'inputs': [1, 2], 'name': 'no tensors'}], id='no tensors'),
    ],
)
def test_received_batch_equals_the_collation_of_mmengine(samples: list[dict]) -> None:
    wanted = pseudo_collate(samples)
    here = collate_in_one_piece(samples)
    arrived = sent(here)
    for key, value in wanted.items():
        assert same(list(here[key]), list(value))
        assert same(arrived[key], list(value))
        assert type(arrived[key]) is list
    # the original samples are unchanged
    assert all(same(list(here[key]), list(value)) for key, value in wanted.items())


def test_sixteen_samples_are_sent_as_three_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts the storages that torch transfers, compared with mmengine's own collation."""
    handed: list[object] = []
    share = torch.UntypedStorage._share_filename_cpu_
    monkeypatch.setattr(torch.multiprocessing.reductions, 'get_sharing_strategy', lambda: 'file_system', raising=False)
    monkeypatch.setattr(torch.multiprocessing, 'get_sharing_strategy', lambda: 'file_system')

    def counted(storage: torch.UntypedStorage, *arguments: object) -> object:
        handed.append(storage)
        return share(storage, *arguments)

    monkeypatch.setattr(torch.UntypedStorage, '_share_filename_cpu_', counted)
    samples = [sample(index) for index in range(16)]
    sent(collate_in_one_piece(samples))
    assert len(handed) == 3  # inputs, gt_img, parsing_labels
    handed.clear()
    sent(pseudo_collate(samples))
    assert len(handed) == 48


def test_batch_passes_through_a_worker() -> None:
    samples = [sample(index) for index in range(6)]
    loaded = list(DataLoader(samples, batch_size=3, num_workers=1, collate_fn=collate_in_one_piece))  # type: ignore[arg-type]
    assert len(loaded) == 2
    for batch, part in zip(loaded, (samples[:3], samples[3:]), strict=True):
        assert same(batch['data_samples'], [one['data_samples'] for one in part])
        assert same(batch['inputs'], [one['inputs'] for one in part])
