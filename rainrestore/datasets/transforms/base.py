"""The base class of the transforms, and their checks and random generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from rainrestore.physics import seeded_rng

try:
    from mmcv.transforms import BaseTransform
except ImportError:
    # The core installation has no mmcv.
    BaseTransform = object


def check_seed(seed: int | None, caller: str) -> int | None:
    """Return ``seed`` unchanged if it is valid.

    Raises:
        ValueError: ``seed`` is neither an integer nor None.
    """
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise ValueError(f'{caller}: seed must be an integer or None, got {seed!r}')
    return seed


def check_keys(results: dict[str, Any], seed: int | None, caller: str) -> None:
    """Check that a sample has ``gt`` and, with a seed, ``name``.

    Raises:
        KeyError: A key is missing.
    """
    for key in ('gt',) if seed is None else ('gt', 'name'):
        if key not in results:
            raise KeyError(f'{caller}: the sample has no {key!r} (FaceDataset writes it)')


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
