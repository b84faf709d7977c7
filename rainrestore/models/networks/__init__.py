"""Registered networks."""

from rainrestore.models.networks.discriminators import SRGANDiscriminator
from rainrestore.models.networks.encoder_decoder import EncoderDecoder
from rainrestore.models.networks.encoders import DenseNetEncoder, ResNetEncoder, VGGEncoder
from rainrestore.models.networks.fpm import FaceParsingUNet
from rainrestore.models.networks.generator import FCGGenerator
from rainrestore.models.networks.guided_filter import GuidedFilterDecomposition, guided_filter
from rainrestore.models.networks.heavy_rain import (
    AirlightNet,
    DepthGuidedDiscriminator,
    HeavyRainEstimator,
    RefinementUNet,
    StreakNet,
)
from rainrestore.models.networks.hifacegan import HiFaceNet
from rainrestore.models.networks.hrrm import HRRM
from rainrestore.models.networks.image_to_image import ImageToImageGenerator
from rainrestore.models.networks.patch_discriminator import MultiScalePatchDiscriminator
from rainrestore.models.networks.rain_mixture import RainMixture
from rainrestore.models.networks.raindrops import RaindropUNet
from rainrestore.models.networks.torchvision_encoder import TorchvisionEncoder
from rainrestore.models.networks.trunks import EDSRTrunk, NetworkTrunk, SRResNetTrunk
from rainrestore.models.networks.unet import UNet

__all__ = [
    'HRRM',
    'AirlightNet',
    'DenseNetEncoder',
    'DepthGuidedDiscriminator',
    'EDSRTrunk',
    'EncoderDecoder',
    'FCGGenerator',
    'FaceParsingUNet',
    'GuidedFilterDecomposition',
    'HeavyRainEstimator',
    'HiFaceNet',
    'ImageToImageGenerator',
    'MultiScalePatchDiscriminator',
    'NetworkTrunk',
    'RainMixture',
    'RaindropUNet',
    'RefinementUNet',
    'ResNetEncoder',
    'SRGANDiscriminator',
    'SRResNetTrunk',
    'StreakNet',
    'TorchvisionEncoder',
    'UNet',
    'VGGEncoder',
    'guided_filter',
]
