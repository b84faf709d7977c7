"""Collate samples into a batch that is cheap to send between processes."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.structures import BaseDataElement
from torch import Tensor

from rainrestore.registry import FUNCTIONS


@FUNCTIONS.register_module()
def collate_in_one_piece(samples: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Collate samples as mmengine's ``pseudo_collate``, in lists that are sent as few tensors."""
    return {key: InOnePiece(values) for key, values in pseudo_collate(samples).items()}


class InOnePiece(list):
    """A list of tensors or data samples that is pickled with the tensors of each field stacked.

    Torch sends each tensor to another process by its own file descriptor: 144 for a batch of 16 faces with ground
    truth, and 9 once they are stacked. The receiver gets a plain list of slices. Tensors of different shapes, and
    fields that some samples lack, are sent one by one.
    """

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if self and all(isinstance(item, BaseDataElement) for item in self):
            fields = {key: _stacked([sample.get(key) for sample in self]) for key in self[0].keys()}  # noqa: SIM118
            found = {key: stacked for key, stacked in fields.items() if stacked is not None}
            bare = [sample.new() for sample in self]
            for sample in bare:
                for key in found:
                    sample.pop(key)
            return _with_fields, (bare, found)
        stacked = _stacked(self)
        return (list, (list(self),)) if stacked is None else (_slices, (stacked,))


def _stacked(items: Sequence[Any]) -> Tensor | None:
    if not items or not all(isinstance(item, Tensor) for item in items):
        return None
    return torch.stack(list(items)) if len({(item.shape, item.dtype) for item in items}) == 1 else None


def _slices(stacked: Tensor) -> list[Tensor]:
    return list(stacked.unbind())


def _with_fields(samples: list[BaseDataElement], fields: dict[str, Tensor]) -> list[BaseDataElement]:
    for key, stacked in fields.items():
        for sample, tensor in zip(samples, stacked.unbind(), strict=True):
            sample.set_field(tensor, key)
    return samples
