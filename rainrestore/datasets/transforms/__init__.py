"""Transforms: they turn a face and its mask into the input of a model."""

from rainrestore.datasets.transforms.blind_rain import BlindHeavyRain
from rainrestore.datasets.transforms.degradations import (
    AdditiveNoise,
    Degradation,
    DownsampleAndBack,
    JPEGArtefacts,
    MixedDegradation,
    Mosaic,
    MotionOrDefocusBlur,
    Sharpening,
)
from rainrestore.datasets.transforms.flip import FlipFace
from rainrestore.datasets.transforms.packing import PackFaceInputs
from rainrestore.datasets.transforms.pairs import CropPair, FlipPair
from rainrestore.datasets.transforms.parsing import ParsingTarget, area_average
from rainrestore.datasets.transforms.rain import ScaleAwareHeavyRain
from rainrestore.datasets.transforms.rain_and_haze import RainAndHaze
from rainrestore.datasets.transforms.raindrops import RaindropsOnGlass

__all__ = [
    'AdditiveNoise', 'BlindHeavyRain', 'CropPair', 'Degradation', 'DownsampleAndBack', 'FlipFace', 'FlipPair',
    'JPEGArtefacts', 'MixedDegradation', 'Mosaic', 'MotionOrDefocusBlur', 'PackFaceInputs', 'ParsingTarget',
    'RainAndHaze', 'RaindropsOnGlass', 'ScaleAwareHeavyRain', 'Sharpening', 'area_average',
]  # fmt: skip
