"""The shape of a pipeline step, without mmcv (whose ``BaseTransform`` it follows)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class FaceTransform(ABC):
    """One step of a pipeline: takes the dict of one sample, changes it and gives it back."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        return self.transform(results)

    @abstractmethod
    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``results`` and return it."""
