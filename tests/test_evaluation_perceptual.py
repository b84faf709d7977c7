"""LPIPS without a download: random backbones, saved in torchvision's format."""

import math
import sys
from itertools import pairwise
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from mmengine.structures import BaseDataElement
from torch import nn

from rainrestore.errors import ConfigError
from rainrestore.evaluation import LPIPS, RestorationEvaluator

lpips = pytest.importorskip('lpips')
SIDE = 64


def features(net: str) -> nn.Sequential:
    """The convolutions of torchvision's ``features`` under the same names, without the other 60 M parameters."""
    layers: list[nn.Module] = []
    plan = {
        'alex': [(3, 64, 11), 'R', 'M', (64, 192, 5), 'R', 'M', (192, 384, 3), 'R', (384, 256, 3), 'R', (256, 256, 3)],
        'vgg': [
            part
            for widths in (
                (3, 64, 64),
                (64, 128, 128),
                (128, 256, 256, 256),
                (256, 512, 512, 512),
                (512, 512, 512, 512),
            )
            for part in [*(x for pair in pairwise(widths) for x in ((*pair, 3), 'R')), 'M']
        ],
    }[net]
    for part in plan:
        layers.append(nn.Conv2d(*part) if isinstance(part, tuple) else nn.ReLU())
    return nn.Sequential(*layers)


@pytest.fixture(scope='module', params=['alex', 'vgg'])
def backbone(request, tmp_path_factory) -> tuple[str, Path]:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / f'{request.param}.pth'
    state = {f'features.{key}': value for key, value in features(request.param).state_dict().items()}
    torch.save({**state, 'classifier.1.weight': torch.zeros(2)}, path)
    return request.param, path


@pytest.fixture(scope='module')
def alex(tmp_path_factory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'alex.pth'
    torch.save(features('alex').state_dict(), path)
    return str(path)


def images(count: int = 2, side: int = SIDE) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 255


def noise(like: torch.Tensor) -> torch.Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(2), dtype=like.dtype)


def sample(pred: torch.Tensor, gt: torch.Tensor, name: str = 'face') -> BaseDataElement:
    made = BaseDataElement(metainfo={'name': name}, gt_img=gt)
    made.output = BaseDataElement(pred_img=pred)
    return made


def test_lpips_equals_the_package(backbone):
    net, path = backbone
    reference = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    saved = torch.load(path)
    for name, slot in reference.net.named_children():
        for index, layer in slot.named_children():
            if isinstance(layer, nn.Conv2d):
                for part in ('weight', 'bias'):
                    getattr(layer, part).data = saved[f'features.{index}.{part}']
        assert name.startswith('slice')
    gt = images()
    pred = (gt + 30 * noise(gt)).clamp(0, 255)
    with torch.no_grad():
        expected = reference(pred.float() / 255, gt.float() / 255, normalize=True).flatten()
    metric = LPIPS(net=net, weights=str(path))
    assert metric.key == {'alex': 'LPIPS', 'vgg': 'LPIPS_vgg'}[net]
    found = metric.measure(pred, gt)
    assert (expected > 1e-3).all()
    torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-6)


def test_lpips_is_zero_if_equal_symmetric_and_grows_with_noise(alex):
    metric = LPIPS(weights=alex)
    gt = images()
    values = [metric.measure(gt + sigma * noise(gt), gt) for sigma in (0, 5, 15, 45)]
    assert (values[0] == 0).all()
    assert all((more > less).all() for less, more in pairwise(values))
    pred = gt + 15 * noise(gt)
    torch.testing.assert_close(metric.measure(pred, gt), metric.measure(gt, pred))


def test_lpips_in_an_evaluator_has_a_value_for_each_image(alex):
    gt = images(3).round().byte()
    pred = gt.double()
    pred[1] += 20
    evaluator = RestorationEvaluator([{'type': 'LPIPS', 'weights': alex}, {'type': 'PSNR', 'crop_border': 2}])
    evaluator.process([sample(pred[index], gt[index], f'face{index}') for index in range(3)])
    values = evaluator.evaluate(3)
    scores = dict(evaluator.metrics[0].per_image)
    assert scores['face0'] == scores['face2'] == 0 < scores['face1']
    assert values['LPIPS'] == pytest.approx(scores['face1'] / 3)
    assert values['PSNR_crop2'] == math.inf


def test_weights_of_the_config_override_the_environment(alex, tmp_path, monkeypatch):
    torch.manual_seed(5)
    torch.save(features('alex').state_dict(), tmp_path / 'other.pth')
    monkeypatch.setenv('RAINRESTORE_LPIPS_BACKBONE', str(tmp_path / 'other.pth'))
    gt = images(1)
    by_config, by_environment = LPIPS(weights=alex, pred_key='lr_img'), LPIPS()
    assert by_config.key == 'LPIPS_lr_img'
    assert by_config.measure(gt / 2, gt).item() != pytest.approx(by_environment.measure(gt / 2, gt).item(), rel=1e-3)
    monkeypatch.setenv('RAINRESTORE_LPIPS_BACKBONE', alex)
    assert LPIPS().measure(gt / 2, gt).item() == pytest.approx(by_config.measure(gt / 2, gt).item())


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda path: None, 'no such file'),
        (lambda path: path.write_bytes(b'no weights' * 100), 'not a file of weights'),
        (lambda path: torch.save([1, 2], path), 'contains a list'),
        (lambda path: torch.save({'features.0.bias': torch.zeros(64)}, path), r'features\.0\.weight is missing'),
        (
            lambda path: torch.save({'0.weight': torch.zeros(64, 3, 3, 3)}, path),
            r"torchvision's AlexNet: 0\.weight is \(64, 3, 3, 3\), expected \(64, 3, 11, 11\)",
        ),
    ],
)
def test_invalid_weights_are_named(tmp_path, make, message):
    path = tmp_path / 'backbone.pth'
    make(path)
    with pytest.raises(ConfigError, match=message) as caught:
        LPIPS(weights=str(path))
    assert f'weights={str(path)!r}' in str(caught.value)


def test_path_of_the_environment_is_named(monkeypatch):
    monkeypatch.setenv('RAINRESTORE_LPIPS_BACKBONE', '/no/such.pth')
    with pytest.raises(ConfigError, match=r'RAINRESTORE_LPIPS_BACKBONE=/no/such\.pth: no such file'):
        LPIPS()


def test_error_without_weights_and_internet_names_the_options(monkeypatch):
    import torchvision

    monkeypatch.delenv('RAINRESTORE_LPIPS_BACKBONE', raising=False)

    def offline(*args, **kwargs):
        raise URLError('no route to host')

    monkeypatch.setattr(torchvision.models.AlexNet_Weights, 'get_state_dict', offline)
    with pytest.raises(ConfigError, match='no route to host') as caught:
        LPIPS()
    assert 'weights=' in str(caught.value) and 'RAINRESTORE_LPIPS_BACKBONE' in str(caught.value)


def test_unknown_backbone_and_too_small_images_are_refused(alex):
    with pytest.raises(ConfigError, match="alex, vgg, got 'squeeze'"):
        LPIPS(net='squeeze')
    metric = LPIPS(weights=alex)
    assert metric.measure(images(1, 31), images(1, 31)).item() == 0
    with pytest.raises(ConfigError, match='sides of at least 31, the images have 30x30'):
        metric.measure(images(1, 30), images(1, 30))


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'lpips', None)
    with pytest.raises(ConfigError, match=r'lpips.*python tools/install\.py'):
        LPIPS()
