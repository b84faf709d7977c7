"""HiFaceGAN: parts against plain recomputations, losses, and the effect of each guidance level."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from narrow import narrow
from torch import Tensor, nn

from rainrestore.datasets import FaceDataset
from rainrestore.engine.config import load_config
from rainrestore.engine.optim import SlotOptimWrapperConstructor
from rainrestore.models.networks.hifacegan import (
    HiFaceNet,
    LocalImportancePooling,
    SpatialModulation,
    SuppressionEncoder,
)
from rainrestore.registry import MODELS

pytest.importorskip('mmagic')
ROOT = Path(__file__).parents[1]
CONFIG = ROOT / 'configs' / 'hifacegan' / 'hifacegan_128.py'


def tiny() -> nn.Module:
    torch.manual_seed(0)
    config = load_config(CONFIG)
    config.merge_from_dict({'model': narrow(config.model)})
    return MODELS.build(config.model)


@pytest.fixture(scope='module')
def faces() -> dict:
    data = FaceDataset(split='val', pipeline=load_config(CONFIG).val_dataloader.dataset.pipeline, limit=2)
    samples = [data[index] for index in range(2)]
    return {key: [sample[key] for sample in samples] for key in ('inputs', 'data_samples')}


def test_importance_pooling_is_a_weighted_mean_of_nine_pixels() -> None:
    torch.manual_seed(0)
    pooling, x = LocalImportancePooling(2), torch.randn(1, 2, 8, 8)
    with torch.no_grad():
        logit, pooled = pooling.logit(x)[0].double().numpy(), pooling(x)[0].numpy()
    weight, x = np.exp(12 / (1 + np.exp(-logit))), x[0].double().numpy()
    for row in range(4):
        for column in range(4):
            window = np.s_[:, max(2 * row - 1, 0) : 2 * row + 2, max(2 * column - 1, 0) : 2 * column + 2]
            wanted = (x[window] * weight[window]).sum((1, 2)) / weight[window].sum((1, 2))
            np.testing.assert_allclose(pooled[:, row, column], wanted, rtol=1e-4, atol=1e-5)


def test_encoder_has_the_published_widths() -> None:
    encoder = SuppressionEncoder(3, 4, 5)
    assert encoder.widths == [4, 8, 16, 32, 64, 64]
    features = encoder(torch.rand(1, 3, 64, 128))
    assert [feature.shape[1:] for feature in features] == [
        (width, 64 // 2**level, 128 // 2**level) for level, width in enumerate(encoder.widths)
    ]
    assert all((feature >= 0).all() for feature in features[:-1])
    assert (features[-1] < 0).any()


def test_stem_is_convolution_instance_norm_relu() -> None:
    torch.manual_seed(0)
    encoder, image = SuppressionEncoder(3, 4, 1), torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        convolved = torch.nn.functional.conv2d(image, encoder.stem[0].weight, padding=1).double().numpy()
        stem = encoder(image)[0].numpy()
    spread = np.sqrt(convolved.var((2, 3), keepdims=True) + 1e-5)
    wanted = np.maximum((convolved - convolved.mean((2, 3), keepdims=True)) / spread, 0)
    np.testing.assert_allclose(stem, wanted, atol=1e-5)
    assert isinstance(SuppressionEncoder(3, 4, 1, stem_norm=False).stem, nn.Conv2d)


def test_decoder_has_the_published_widths() -> None:
    """16, 16, 16, 8, 4, 2, 1 times the base channels."""
    network = HiFaceNet(base_channels=2, levels=5, hidden=2)
    widths = [block.conv_1.out_channels for blocks in network.blocks for block in blocks]
    assert widths == [2 * factor for factor in (16, 16, 16, 8, 4, 2, 1)]


@pytest.mark.parametrize(('norm', 'axes'), [('instance', (2, 3)), ('batch', (0, 2, 3))])
def test_modulation_equals_that_of_spade(norm: str, axes: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    spade, x, guide = SpatialModulation(3, 2, 4, norm), torch.randn(2, 3, 6, 6), torch.randn(2, 2, 6, 6)
    with torch.no_grad():
        shared = spade.shared(guide)
        gamma, beta, got = (
            value.double().numpy() for value in (spade.gamma(shared), spade.beta(shared), spade(x, guide))
        )
    x = x.double().numpy()
    normal = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(got, normal * (1 + gamma) + beta, atol=1e-5)


def test_published_norm_is_batch_norm() -> None:
    norms = {type(module) for module in HiFaceNet(base_channels=1, levels=2, hidden=2).blocks.modules()}
    assert nn.BatchNorm2d in norms and nn.InstanceNorm2d not in norms
    with pytest.raises(ValueError, match="norm must be one of batch, instance, got 'layer'"):
        HiFaceNet(norm='layer')


@pytest.mark.parametrize(('side', 'levels'), [(64, 5), (64, 3), (128, 5), (256, 5)])
def test_image_size_can_be_any_power_of_two(side: int, levels: int) -> None:
    network = HiFaceNet(base_channels=1, levels=levels, hidden=2).eval()
    with torch.no_grad():
        restored = network(torch.rand(1, 3, side, side) * 2 - 1)
    assert restored.shape == (1, 3, side, side)
    assert restored.abs().max() <= 1


def test_residual_output_is_the_image_plus_a_change() -> None:
    """With equal weights: image + 2 tanh, where tanh is the output without ``residual``; clipped after the training."""
    torch.manual_seed(0)
    plain = HiFaceNet(base_channels=2, levels=2, hidden=2)
    residual = HiFaceNet(base_channels=2, levels=2, hidden=2, residual=True)
    image = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        first = residual(image)
        residual.load_state_dict(plain.state_dict())
        plain.eval()
        residual.eval()
        change = 2 * plain(image)
        assert (residual(image) - (image + change).clamp(-1, 1)).abs().max() < 1e-6
    # The initial change is small. In training, no clamp stops the gradient outside [-1, 1].
    assert (first - image).abs().mean() < change.abs().mean() / 4
    assert residual.train()(torch.ones(2, 3, 16, 16)).abs().max() > 1 >= residual.eval()(image).abs().max()
    with pytest.raises(ValueError, match='residual=True needs in_channels=3, got 6'):
        HiFaceNet(in_channels=6, residual=True)


def test_guidance_changes_at_the_given_level() -> None:
    torch.manual_seed(0)
    network = HiFaceNet(base_channels=2, levels=3, hidden=2).eval()
    first, rest = (torch.rand(1, 3, 32, 32) * 2 - 1 for _ in range(2))
    with torch.no_grad():
        restored = [network.mixed_guidance(first, rest, levels) for levels in range(5)]
        assert torch.equal(restored[4], network(first))
        assert all(not torch.equal(a, b) for a, b in pairwise(restored))
        # guided by itself at all levels, for any split
        assert torch.equal(network.mixed_guidance(first, first, 2), network(first))
    with pytest.raises(ValueError, match='levels must be 0 to 4, got 5'):
        network.mixed_guidance(first, rest, 5)


def test_losses_equal_those_of_hifacegan(faces: dict) -> None:
    model = tiny()
    data = model.data_preprocessor(faces, training=True)
    losses, face, _ = model.generator_losses(**data)
    assert set(losses) == {'loss_adv_global', 'loss_feature_global', 'loss_vgg'}
    seen = torch.cat((data['inputs'], face), 1) * 2 - 1
    with torch.no_grad():
        logits = [scale[-1] for scale in model.discriminator(seen)]
    assert len(logits) == 2
    wanted = -sum(scale.mean().item() for scale in logits) / 2
    assert losses['loss_adv_global'].item() == pytest.approx(wanted, rel=1e-2, abs=1e-4)
    for name, value in losses.items():
        model.zero_grad()
        value.backward(retain_graph=True)
        assert sum(p.grad.abs().sum() for p in model.generator.parameters() if p.grad is not None) > 0, name


def test_each_step_changes_every_weight(faces: dict) -> None:
    model = tiny()
    config = load_config(CONFIG).optim_wrapper
    groups = {key: value for key, value in config.items() if key != 'constructor'}
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    log = model.train_step(faces, SlotOptimWrapperConstructor(groups)(model))
    assert {'loss_disc_global', 'prob_real_global', 'prob_fake_global'} <= set(log)
    after = {key: value for key, value in model.named_parameters() if value.requires_grad}
    still = {key for key, value in after.items() if torch.equal(before[key], value)}
    # if no logit is beyond the hinge, the two means cancel in the last bias
    assert still <= {f'discriminator.scales.{scale}.stages.4.bias' for scale in range(2)}


def test_overfits_two_faces(faces: dict) -> None:
    model = tiny()
    data = model.data_preprocessor(faces, training=True)
    inputs, truth = data['inputs'][..., :64, :64], torch.stack([s.gt_img for s in data['data_samples']])[..., :64, :64]
    truth = truth.float() / 255
    optimizer = torch.optim.Adam(model.generator.parameters(), 5e-3)

    def error() -> Tensor:
        return (model.generator(inputs) - truth).square().mean()

    first = error().item()
    for _ in range(80):
        loss = error()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert error().item() < 0.3 * first
