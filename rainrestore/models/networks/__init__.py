"""What is computed: networks, each a registered component."""

from rainrestore.models.networks.discriminators import SRGANDiscriminator
from rainrestore.models.networks.encoders import DenseNetEncoder, ResNetEncoder, VGGEncoder
from rainrestore.models.networks.fpm import FaceParsingUNet
from rainrestore.models.networks.generator import FCGGenerator
from rainrestore.models.networks.hrrm import HRRM, RainEstimate
from rainrestore.models.networks.trunks import NetworkTrunk, SRResNetTrunk

__all__ = [
    'HRRM',
    'DenseNetEncoder',
    'FCGGenerator',
    'FaceParsingUNet',
    'NetworkTrunk',
    'RainEstimate',
    'ResNetEncoder',
    'SRGANDiscriminator',
    'SRResNetTrunk',
    'VGGEncoder',
]
