"""Order of the samples and random draws of a training, as functions of a seed and a position.

Sample n of a training, and every random number of its transforms, depend on (seed, n) only. A checkpoint therefore
stores no state of the worker processes, the number of workers does not change the result, and a resumed run starts at
n without reading the earlier samples.
"""

import hashlib
import random
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Dataset, Sampler

from rainrestore.registry import DATA_SAMPLERS, DATASETS


def derive_seed(*parts: object) -> int:
    """A 64-bit seed from the text of ``parts``; different parts give unrelated seeds."""
    digest = hashlib.sha256(':'.join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], 'little')


def seed_generators(seed: int) -> None:
    """Set the global generators of Python, numpy and torch (every device) from a seed of 64 bits."""
    random.seed(seed)
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32])
    torch.manual_seed(seed)


@contextmanager
def drawing_from(seed: int) -> Iterator[None]:
    """Seed the global generators with ``seed`` inside the block, and restore the CPU generators after it."""
    python, arrays, tensors = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32])
    torch.random.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)
        torch.set_rng_state(tensors)


class SeededIndex(int):
    """An index of a data set with the seed of the random transforms for this access."""

    seed: int

    def __new__(cls, index: int, seed: int) -> 'SeededIndex':
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # DataLoader sends it to a worker process.
        return SeededIndex, (int(self), self.seed)


@DATA_SAMPLERS.register_module()
class ResumableSampler(Sampler[int]):
    """Endless passes over the data set, each shuffled, starting at any position.

    Position n of the stream is in pass ``n // size``. The order of a pass depends on (seed, pass), so a start at n
    computes one permutation. Each of several processes takes every ``world_size``-th position. Yields
    :class:`SeededIndex`.

    Args:
        dataset: An object with a length.
        shuffle: False keeps the order of the data set.
        seed: Integer. None: a random seed, equal in all processes.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        #: Position in the stream at which the next iteration starts, counted over all processes.
        self.start = 0

    def __iter__(self) -> Iterator[int]:
        position = self.start + self.rank
        current, order = -1, np.arange(self.size)
        while True:
            number, offset = divmod(position, self.size)
            if self.shuffle and number != current:
                current = number
                order = np.random.default_rng(derive_seed('order', self.seed, number)).permutation(self.size)
            yield SeededIndex(int(order[offset]), derive_seed('sample', self.seed, position))
            position += self.world_size

    def __len__(self) -> int:
        return self.size


@DATASETS.register_module()
class SeededSamples(Dataset):
    """A wrapper that seeds the random transforms of a data set with a :class:`SeededIndex`.

    It seeds the global generators of Python, numpy and torch. :class:`~rainrestore.engine.ResumableTrainLoop` wraps the
    training data set in it. A plain index and attributes are passed to the data set unchanged.

    Args:
        dataset: The data set, or its config.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset

    def __getitem__(self, index: int) -> Any:
        if not isinstance(index, SeededIndex):
            return self.dataset[index]
        with drawing_from(index.seed):
            return self.dataset[int(index)]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        # Without the exception, copying an instance that has no `dataset` yet would recurse.
        if name == 'dataset' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.dataset, name)
