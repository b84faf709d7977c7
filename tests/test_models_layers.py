"""Layers with another order of computation equal torch's layers, in float64."""

import copy

import pytest
import torch
import torch.nn.functional as F

from rainrestore.models.networks import FCGGenerator
from rainrestore.models.networks.layers import unshuffled_kernel


@pytest.mark.parametrize(('side', 'factor'), [(9, 2), (3, 2), (5, 3), (1, 2), (7, 4)])
def test_exchanged_convolution_and_pixel_shuffle_are_equal(side: int, factor: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(2, 3, side, side, dtype=torch.float64)
    x = torch.randn(2, 3 * factor**2, 5, 4, dtype=torch.float64)
    wanted = F.conv2d(F.pixel_shuffle(x, factor), weight, padding=side // 2)
    found = F.pixel_shuffle(F.conv2d(x, unshuffled_kernel(weight, factor), padding='same'), factor)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize('scale', [2, 4])
def test_generator_computes_the_same_in_training_and_evaluation(scale: int) -> None:
    """In training, pixel shuffle and last convolution are exchanged. The image and the gradients are equal."""
    torch.manual_seed(0)
    trunk = dict(type='SRResNetTrunk', channels=6, num_blocks=1)
    trained = FCGGenerator(trunk, scale, channels=5, derained=False, parsing_channels=2).double().train()
    plain = copy.deepcopy(trained)
    plain.reconstruct = lambda features: plain.tail(plain.upsampler(features))
    rainy, parsing = torch.rand(2, 3, 5, 7).double(), torch.rand(2, 2, 5, 7).double()
    for network in (trained, plain):
        network(rainy, parsing=parsing).square().sum().backward()
    for (name, found), wanted in zip(trained.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found.grad, wanted.grad, msg=name)
    features = torch.rand(2, 8, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(trained.reconstruct(features), trained.eval().reconstruct(features))
