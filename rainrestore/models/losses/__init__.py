"""Registered losses with their equations."""

from rainrestore.models.losses.adversarial import (
    AdversarialLoss,
    CrossEntropyAdversarialLoss,
    HingeAdversarialLoss,
    LeastSquaresAdversarialLoss,
    LinearAdversarialLoss,
    RelativisticAdversarialLoss,
)
from rainrestore.models.losses.contrastive import ContrastiveLoss
from rainrestore.models.losses.feature_matching import FeatureMatchingLoss
from rainrestore.models.losses.perceptual import PerceptualLoss, VGG16Features
from rainrestore.models.losses.pixel import (
    MSELoss,
    ParsingCrossEntropyLoss,
    ParsingLoss,
    RainParameterLoss,
    RainReconstructionLoss,
)

__all__ = [
    'AdversarialLoss',
    'ContrastiveLoss',
    'CrossEntropyAdversarialLoss',
    'FeatureMatchingLoss',
    'HingeAdversarialLoss',
    'LeastSquaresAdversarialLoss',
    'LinearAdversarialLoss',
    'MSELoss',
    'ParsingCrossEntropyLoss',
    'ParsingLoss',
    'PerceptualLoss',
    'RainParameterLoss',
    'RainReconstructionLoss',
    'RelativisticAdversarialLoss',
    'VGG16Features',
]
