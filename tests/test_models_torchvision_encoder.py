"""Encoders of torchvision: the features equal torchvision's, with random weights and with weights from a file."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rainrestore.errors import ConfigError
from rainrestore.models.networks import HRRM, TorchvisionEncoder
from rainrestore.models.networks.torchvision_encoder import LEVELS, MEAN, STD

models = pytest.importorskip('torchvision.models')


@pytest.fixture
def resnet(tmp_path: Path) -> tuple[nn.Module, Path]:
    torch.manual_seed(0)
    network = models.resnet18()
    torch.save(network.state_dict(), tmp_path / 'resnet18.pth')
    return network.eval(), tmp_path / 'resnet18.pth'


@pytest.mark.parametrize(
    ('name', 'channels', 'strides'),
    [
        ('densenet121', (64, 128, 256, 512), (4, 8, 16, 32)),
        ('resnet18', (64, 128, 256, 512), (4, 8, 16, 32)),
        ('resnet50', (256, 512, 1024, 2048), (4, 8, 16, 32)),
        ('vgg16_bn', (64, 128, 256, 512, 512), (1, 2, 4, 8, 16)),
        ('vgg19_bn', (64, 128, 256, 512, 512), (1, 2, 4, 8, 16)),
    ],
)
def test_feature_pyramid_has_the_expected_shapes(
    name: str, channels: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    encoder = TorchvisionEncoder(name)
    assert (encoder.out_channels, encoder.strides) == (channels, strides)
    features = encoder(torch.rand(2, 3, 32, 64))
    expected = [(2, width, 32 // stride, 64 // stride) for width, stride in zip(channels, strides, strict=True)]
    assert [tuple(feature.shape) for feature in features] == expected


@pytest.mark.parametrize('name', ['densenet121', 'resnet18', 'vgg16_bn'])
def test_features_equal_those_of_torchvision(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = models.get_model(name).eval()
    torch.save(network.state_dict(), tmp_path / 'weights.pth')
    encoder = TorchvisionEncoder(name, weights=str(tmp_path / 'weights.pth')).eval()
    seen: list[Tensor] = []
    for level in LEVELS[name]:
        network.get_submodule(level).register_forward_hook(lambda _m, _i, output: seen.append(output.clone()))
    image = torch.rand(1, 3, 64, 32)
    with torch.no_grad():
        network((image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
        torch.testing.assert_close(encoder(image), seen)


def test_rain_removal_with_a_torchvision_encoder_trains(resnet: tuple[nn.Module, Path]) -> None:
    encoder = dict(type='TorchvisionEncoder', name='resnet18', weights=str(resnet[1]))
    hrrm = HRRM(encoder, decoder_growth=(8, 8, 8, 8, 4, 4))
    estimate = hrrm(torch.rand(2, 3, 32, 32))
    assert estimate.lr.shape == (2, 3, 32, 32)
    estimate.lr.mean().backward()
    assert hrrm.encoder.levels[0][0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'name': 'alexnet'}, 'name must be one of densenet121, .* got .alexnet'),
        ({'name': 'resnet18', 'in_channels': 6}, 'in_channels must be 3, got 6'),
        (
            {'name': 'resnet18', 'weights': 'imagenet'},
            'neither a file nor one of DEFAULT, IMAGENET',
        ),
    ],
)
def test_wrong_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TorchvisionEncoder(**options)


def test_weights_of_another_network_are_refused(resnet: tuple[nn.Module, Path]) -> None:
    with pytest.raises(
        ConfigError, match=r"resnet18\.pth: 'features\.0\.weight' of vgg16_bn is missing or has another shape"
    ):
        TorchvisionEncoder('vgg16_bn', weights=str(resnet[1]))
