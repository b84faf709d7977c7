"""Removal of raindrops: the equation of the network, any image size, the losses, and a short training."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rainrestore.datasets import FaceDataset
from rainrestore.engine.config import load_config
from rainrestore.models.networks import RaindropUNet
from rainrestore.models.restorers import RaindropRemover
from rainrestore.registry import MODELS

pytest.importorskip('mmagic')
SMALL = dict(type='RaindropUNet', base_channels=8, levels=3)


def remover(**options):
    torch.manual_seed(0)
    model = load_config('raindrop_plus').model
    model.update(generator=SMALL, **options)
    return MODELS.build(model)


def output_zero(model):
    """The same model with D^ = 0 and M^ = 1/2 everywhere."""
    model.generator.unet.head.weight.data.zero_()
    return model


def batch(count=4, **options):
    steps = [dict(type='RaindropsOnGlass', seed=0, **options), dict(type='PackFaceInputs')]
    data = FaceDataset(split='val', pipeline=steps, limit=count)
    samples = [data[index] for index in range(count)]
    return {key: [sample[key] for sample in samples] for key in ('inputs', 'data_samples')}


@pytest.mark.parametrize('size', [(128, 128), (37, 50), (8, 9)])
def test_untrained_network_nearly_returns_its_input_at_any_size(size):
    image = torch.rand(2, 3, *size)
    outputs = remover().eval().restore(image)
    torch.testing.assert_close(outputs['pred_img'], image, atol=0.02, rtol=0)
    assert outputs['drop_mask'].shape == (2, 1, *size)


def test_image_changes_by_the_difference_times_the_mask():
    torch.manual_seed(0)
    network = RaindropUNet(base_channels=4, levels=2).eval()
    # only the last layer has an effect, so mask and difference are known: logit 1, difference 0.1, 0.2, 0.3
    network.unet.head.weight.data.zero_()
    wanted = torch.tensor([0.1, 0.2, 0.3, 1.0])
    network.unet.head.bias.data = wanted.repeat_interleave(network.shuffle**2)
    image = torch.rand(1, 3, 12, 10)
    estimate = network(image)
    share = 1 / (1 + np.exp(-1))
    torch.testing.assert_close(estimate.image, image + share * wanted[:3, None, None])
    torch.testing.assert_close(estimate.mask_logits, torch.ones(1, 1, 12, 10))


def test_large_image_is_changed_like_one_of_the_reference_size():
    """For a large smooth image, the change is the enlarged change of the small image."""
    torch.manual_seed(0)
    network = RaindropUNet(base_channels=4, levels=2, reference_side=32).eval()
    torch.nn.init.normal_(network.unet.head.weight, std=0.05)
    small = F.avg_pool2d(torch.rand(1, 3, 40, 48), 9, 1)
    large = F.interpolate(small, scale_factor=4, mode='bicubic', antialias=True).clamp(0, 1)
    alone = RaindropUNet(base_channels=4, levels=2).eval()
    alone.load_state_dict(network.state_dict())
    expected, at_once, native = alone(small), network(large), alone(large)
    torch.testing.assert_close(network(small).image, expected.image)
    assert at_once.image.shape == large.shape and at_once.mask_logits.shape == (1, 1, *large.shape[-2:])
    change = F.interpolate(expected.image - small, large.shape[-2:], mode='bilinear')
    error = (at_once.image - large - change).abs().mean()
    assert error < 0.1 * change.abs().mean()
    assert error < 0.5 * (native.image - large - change).abs().mean()


def test_losses_equal_the_equation():
    data = batch(2)
    model = output_zero(remover(mask_weight=0.5))
    prepared = model.data_preprocessor(data, training=True)
    losses = model.losses(**prepared)
    assert set(losses) == {'loss_pixel', 'loss_drops', 'loss_vgg', 'loss_mask'}
    given, truth, mask = (
        torch.stack(values).double() / 255
        for values in (
            data['inputs'],
            [sample.gt_img for sample in data['data_samples']],
            [sample.drop_mask for sample in data['data_samples']],
        )
    )
    for name in ('loss_pixel', 'loss_drops'):
        assert losses[name].item() == pytest.approx((given - truth).abs().mean().item(), rel=1e-4)
    half = F.binary_cross_entropy(torch.full_like(mask, 0.5), mask).item()
    assert losses['loss_mask'].item() == pytest.approx(0.5 * half, rel=1e-4)
    assert set(remover(mask_weight=0).losses(**prepared)) == {'loss_pixel', 'loss_vgg'}


def test_difference_loss_uses_the_true_mask():
    data = batch(1)
    model = output_zero(remover(perceptual_loss=None))
    prepared = model.data_preprocessor(data, training=True)
    model.generator.unet.head.bias.data = torch.tensor([0.2, 0.2, 0.2, -50.0]).repeat_interleave(4)
    losses = model.losses(**prepared)
    mask = data['data_samples'][0].drop_mask.double() / 255
    given, truth = data['inputs'][0].double() / 255, data['data_samples'][0].gt_img.double() / 255
    # the predicted mask is 0: the image is the input
    assert losses['loss_pixel'].item() == pytest.approx((given - truth).abs().mean().item(), rel=1e-4)
    wanted = (given + mask * 0.2 - truth).abs().mean().item()
    assert losses['loss_drops'].item() == pytest.approx(wanted, rel=1e-4)


def test_error_for_pairs_without_masks_names_the_remedy():
    data = batch(2)
    for sample in data['data_samples']:
        del sample.drop_mask
    model = remover()
    with pytest.raises(KeyError, match=r'drop_mask.*mask_weight=0'):
        model.losses(**model.data_preprocessor(data, training=True))


def test_network_learns_to_remove_the_drops_of_a_batch():
    model = remover(perceptual_loss=None)
    assert isinstance(model, RaindropRemover)
    data = model.data_preprocessor(batch(coverage=(0.2, 0.2)), training=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    history = []
    for _ in range(60):
        losses = model.losses(**data)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        history.append({key: value.item() for key, value in losses.items()})
    assert history[-1]['loss_pixel'] < 0.6 * history[0]['loss_pixel']
    assert history[-1]['loss_mask'] < 0.95 * history[0]['loss_mask']
