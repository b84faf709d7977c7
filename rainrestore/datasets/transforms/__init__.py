"""Pipeline steps: from a face and its label map to what a model takes."""

from rainrestore.datasets.transforms.degradations import (
    AdditiveNoise,
    Degradation,
    DownsampleAndBack,
    JPEGArtefacts,
    MixedDegradation,
    Mosaic,
    MotionOrDefocusBlur,
)
from rainrestore.datasets.transforms.flip import FlipFace
from rainrestore.datasets.transforms.packing import PackFaceInputs
from rainrestore.datasets.transforms.parsing import ParsingTarget, area_average
from rainrestore.datasets.transforms.rain import ScaleAwareHeavyRain

__all__ = [
    'AdditiveNoise', 'Degradation', 'DownsampleAndBack', 'FlipFace', 'JPEGArtefacts', 'MixedDegradation', 'Mosaic',
    'MotionOrDefocusBlur', 'PackFaceInputs', 'ParsingTarget', 'ScaleAwareHeavyRain', 'area_average',
]  # fmt: skip
