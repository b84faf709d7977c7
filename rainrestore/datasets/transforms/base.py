"""The base class of pipeline steps and the random numbers that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from rainrestore.physics import seeded_rng

try:
    from mmcv.transforms import BaseTransform
except ImportError:
    # The core installation has no mmcv, and no other transforms to stand beside.
    BaseTransform = object


def check_seed(seed: int | None, caller: str) -> int | None:
    """``seed`` itself.

    Raises:
        ValueError: Neither a whole number nor None.
    """
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise ValueError(f'{caller}: seed must be a whole number or None, got {seed!r}')
    return seed


def check_keys(results: dict[str, Any], seed: int | None, caller: str) -> None:
    """A degradation needs ``gt`` and, to draw by a seed, ``name``.

    Raises:
        KeyError: One is missing.
    """
    for key in ('gt',) if seed is None else ('gt', 'name'):
        if key not in results:
            raise KeyError(f'{caller}: the sample has no {key!r} (FaceDataset writes it)')


def sample_rng(seed: int | None, name: str) -> np.random.Generator:
    """The random generator of a sample's degradation.

    With a seed the draws depend on the sample's name alone (val and test). With None they are new each time (training),
    from numpy's global generator, which mmengine seeds in each worker.
    """
    if seed is not None:
        return seeded_rng(seed, name)
    return np.random.Generator(np.random.PCG64(int.from_bytes(np.random.bytes(16), 'little')))


class FaceTransform(BaseTransform, ABC):
    """One step of a pipeline: takes the dict of one sample, changes it and returns it.

    It is mmcv's ``BaseTransform`` where mmcv is installed, so that one pipeline may mix transforms of this package, of
    mmcv (``type='mmcv.RandomApply'``) and of mmagic (``type='mmagic.RandomJPEGCompression'``).
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        return self.transform(results)

    @abstractmethod
    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``results`` and return it."""
