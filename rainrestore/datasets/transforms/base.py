"""The base classes of the transforms, and their random generator."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from rainrestore.physics import seeded_rng

try:
    from mmcv.transforms import BaseTransform
except ImportError:
    # The core installation has no mmcv.
    BaseTransform = object


def sample_rng(seed: int | None, name: str) -> np.random.Generator:
    """The random generator for the degradation of a sample.

    With a seed, the draws depend on the seed and the name of the sample only (val and test). With None, each access
    draws new values (training), from numpy's global generator, which mmengine seeds in each worker.
    """
    if seed is not None:
        return seeded_rng(seed, name)
    return np.random.Generator(np.random.PCG64(int.from_bytes(np.random.bytes(16), 'little')))


class FaceTransform(BaseTransform, ABC):
    """One step of a pipeline: changes the dict of one sample and returns it.

    It is a subclass of mmcv's ``BaseTransform`` if mmcv is installed. One pipeline may contain transforms of this
    package, of mmcv (``type='mmcv.RandomApply'``) and of mmagic (``type='mmagic.RandomJPEGCompression'``).
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        return self.transform(results)

    @abstractmethod
    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``results`` and return it."""

    def __repr__(self) -> str:
        options = (f'{name}={value!r}' for name, value in vars(self).items() if not name.startswith('_'))
        return f'{type(self).__name__}({", ".join(options)})'


class SeededTransform(FaceTransform):
    """A transform that draws random numbers.

    Args:
        seed: With an integer, the draws depend on it and the sample's name (val, test). None: new draws at each access
            (training).

    Raises:
        ValueError: ``seed`` is neither an integer nor None.
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise ValueError(f'{type(self).__name__}: seed must be an integer or None, got {seed!r}')
        self.seed = seed

    def generator(self, results: dict[str, Any]) -> np.random.Generator:
        """The random generator for a sample.

        Raises:
            KeyError: The sample has no ``gt`` or, with a seed, no ``name``.
        """
        for key in ('gt',) if self.seed is None else ('gt', 'name'):
            if key not in results:
                raise KeyError(f'{type(self).__name__}: the sample has no {key!r} (FaceDataset writes it)')
        return sample_rng(self.seed, results.get('name', ''))
