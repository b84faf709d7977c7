"""A folded network computes the same function."""

import copy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from narrow import narrow
from torch import nn

from rainrestore.apis import Restorer
from rainrestore.checkpoints import load_weights
from rainrestore.datasets.transforms.rain import ScaleAwareHeavyRain
from rainrestore.engine.config import load_config
from rainrestore.evaluation.functional import psnr
from rainrestore.image_io import list_images, read_image
from rainrestore.models.folding import fold, fold_batch_norm
from rainrestore.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ('fcg_gan_x4', 'srgan_x4', 'hrrm_x4', 'fpm_x4', 'face_sr_x4', 'hrrm_resnet_x4',
           'hrrm_vgg_x4', 'heavy_rain_removal_x4')  # fmt: skip


def settle(network: nn.Module) -> nn.Module:
    """Weights and statistics as after a training, none at its neutral value; in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values, low, high in (
                (part.weight, 0.5, 1.5), (part.bias, -0.5, 0.5), (part.running_mean, -0.5, 0.5),
                (part.running_var, 0.3, 2.0),
            ):  # fmt: skip
                values.data.uniform_(low, high, generator=generator)
        if isinstance(part, nn.PReLU):
            part.weight.data.uniform_(0.1, 0.4, generator=generator)
    return network.eval()


@pytest.mark.parametrize('name', CONFIGS)
def test_folded_networks_compute_the_same_function(name):
    config = load_config(name)
    config.merge_from_dict({'model': narrow(config.model)})
    network = settle(MODELS.build(config.model))
    inputs = torch.rand(2, 3, 20, 27, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = network(inputs, mode='tensor')
        after = fold(copy.deepcopy(network))(inputs, mode='tensor')
    assert before.keys() == after.keys()
    for key, value in before.items():
        torch.testing.assert_close(after[key], value, rtol=1e-4, atol=1e-5)


def test_folded_bundled_network_gives_the_same_faces():
    plain = MODELS.build(load_config(ROOT / 'configs' / 'fcg_gan_x4.py').model).eval()
    load_weights(plain, 'rainrestore://fcg_gan_x4')
    folded = Restorer('fcg_gan_x4', device='cpu').model
    # 104 batch norms; 43 of them precede an activation that precedes a convolution
    kinds = [Counter(type(part) for part in network.modules()) for network in (plain, folded)]
    dense = sum(kinds[0][kind] for kind in kinds[0] if kind.__name__ in ('DenseLayer', 'Transition'))
    assert kinds[1][nn.BatchNorm2d] == dense == 43
    inputs = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        before, after = (network(inputs, mode='tensor') for network in (plain, folded))
    for key, value in before.items():
        assert (after[key] - value).abs().max() < 1e-5, key


def test_layers_with_other_uses_are_not_folded():
    shared = nn.Conv2d(3, 3, 3)
    watched = nn.Conv2d(3, 3, 3)
    watched.register_forward_hook(lambda *_: None)

    class Residual(nn.Sequential):
        def forward(self, x):
            return x[..., 1:-1, 1:-1] + self[0](x) + self[1](self[0](x))

    network = nn.ModuleList([
        nn.Sequential(shared, nn.BatchNorm2d(3)), nn.Sequential(shared, nn.ReLU()),
        nn.Sequential(watched, nn.BatchNorm2d(3)), Residual(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)),
        nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, track_running_stats=False)),
        nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.BatchNorm2d(3)),
    ]).eval()  # fmt: skip
    before = str(network)
    assert fold_batch_norm(network) == 0
    assert str(network) == before
    with pytest.raises(ValueError, match='evaluation mode'):
        fold(network.train())


def test_folding_keeps_the_psnr_and_bfloat16_loses_under_002_db(portraits):
    """On 10 of the bundled test faces. The float32 reference is the trained network without folding."""
    rain = ScaleAwareHeavyRain(scale=4, seed=0)
    paths = list_images(portraits / 'test' / 'img')[:10]
    samples = [rain({'gt': read_image(path), 'name': path.stem}) for path in paths]
    truths = np.stack([sample['gt'] for sample in samples])
    rainy = np.stack([sample['img'] for sample in samples])
    plain = MODELS.build(load_config(ROOT / 'configs' / 'fcg_gan_x4.py').model).eval()
    load_weights(plain, 'rainrestore://fcg_gan_x4')
    with torch.no_grad():
        expected = plain(torch.tensor(rainy).permute(0, 3, 1, 2).float() / 255, mode='tensor')['pred_img']
    reference = (expected.permute(0, 2, 3, 1).clamp(0, 1) * 255).round().numpy().astype(np.uint8)
    found = {
        precision: Restorer('fcg_gan_x4', device='cpu', precision=precision)(list(rainy))
        for precision in ('float32', 'bfloat16')
    }
    decibels = {
        name: float(psnr(np.stack(faces), truths).mean()) for name, faces in {'reference': reference, **found}.items()
    }
    assert abs(decibels['float32'] - decibels['reference']) < 1e-3
    # Rounded weights shift the mean brightness a little. On these faces, the shift gains 0.03 dB.
    assert -0.02 < decibels['bfloat16'] - decibels['reference'] < 0.05
    # The output differs, so the precision was really another one.
    assert (np.stack(found['bfloat16']) != reference).any()
