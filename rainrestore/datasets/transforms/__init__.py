"""Pipeline steps: from a face and its label map to what a model takes."""

from rainrestore.datasets.transforms.flip import FlipFace
from rainrestore.datasets.transforms.packing import PackFaceInputs
from rainrestore.datasets.transforms.parsing import ParsingTarget, area_average

__all__ = ['FlipFace', 'PackFaceInputs', 'ParsingTarget', 'area_average']
