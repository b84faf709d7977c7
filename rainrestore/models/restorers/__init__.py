"""Restorers: models with their losses and training steps."""

from rainrestore.models.restorers.adversarial import AdversarialRestorer
from rainrestore.models.restorers.base import BaseRestorer
from rainrestore.models.restorers.baselines import ClassicRestorer
from rainrestore.models.restorers.conditional_gan import ConditionalGAN
from rainrestore.models.restorers.face_parsing import FaceParser
from rainrestore.models.restorers.fcg_gan import FCGGAN
from rainrestore.models.restorers.heavy_rain import HeavyRainGAN, HeavyRainRemover
from rainrestore.models.restorers.hifacegan import HiFaceGAN
from rainrestore.models.restorers.preprocessor import RestorationPreprocessor
from rainrestore.models.restorers.rain_removal import RainRemover
from rainrestore.models.restorers.raindrops import RaindropRemover
from rainrestore.models.restorers.real_esrgan import RealESRGAN
from rainrestore.models.restorers.references import MirroredFCGGAN, OracleFCGGAN, RainRemoverThenBicubic

__all__ = [
    'FCGGAN',
    'AdversarialRestorer',
    'BaseRestorer',
    'ClassicRestorer',
    'ConditionalGAN',
    'FaceParser',
    'HeavyRainGAN',
    'HeavyRainRemover',
    'HiFaceGAN',
    'MirroredFCGGAN',
    'OracleFCGGAN',
    'RainRemover',
    'RainRemoverThenBicubic',
    'RaindropRemover',
    'RealESRGAN',
    'RestorationPreprocessor',
]
