"""The guided filter against its definition, written with loops in float64, and its effect on rain."""

import numpy as np
import pytest
import torch
from torch import Tensor

from rainrestore.models.networks import GuidedFilterDecomposition, guided_filter
from rainrestore.models.networks.guided_filter import box_mean


def mean_by_loops(image: np.ndarray, radius: int) -> np.ndarray:
    height, width = image.shape
    result = np.empty_like(image)
    for i in range(height):
        for j in range(width):
            window = image[max(0, i - radius) : i + radius + 1, max(0, j - radius) : j + radius + 1]
            result[i, j] = window.mean()
    return result


def filter_by_loops(guide: np.ndarray, image: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """He, Sun & Tang (2010): a least squares fit in every window, with numpy's own variance and covariance."""
    height, width = image.shape
    slope, offset = np.empty_like(image), np.empty_like(image)
    for i in range(height):
        for j in range(width):
            window = (slice(max(0, i - radius), i + radius + 1), slice(max(0, j - radius), j + radius + 1))
            p, q = guide[window].ravel(), image[window].ravel()
            slope[i, j] = np.cov(p, q, bias=True)[0, 1] / (np.var(p) + eps)
            offset[i, j] = q.mean() - slope[i, j] * p.mean()
    return mean_by_loops(slope, radius) * guide + mean_by_loops(offset, radius)


def random_image(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize('radius', [1, 2, 5, 40])
def test_box_filter_counts_only_pixels_inside_the_image(radius: int) -> None:
    image = random_image(9, 14, 1)
    np.testing.assert_allclose(box_mean(image, radius)[0, 0], mean_by_loops(image[0, 0].numpy(), radius), rtol=1e-12)


@pytest.mark.parametrize(('radius', 'eps'), [(2, 1e-3), (4, 1e-4), (32, 1e-4)])
def test_filter_equals_the_published_definition(radius: int, eps: float) -> None:
    """Odd sides, and a radius beyond the image."""
    image, guide = random_image(13, 18), random_image(13, 18, 1) ** 2
    (smooth,) = guided_filter(guide, image, radius, [eps])
    for channel in range(3):
        wanted = filter_by_loops(guide[0, 0].numpy(), image[0, channel].numpy(), radius, eps)
        np.testing.assert_allclose(smooth[0, channel], wanted, atol=1e-10)


def test_single_precision_is_sufficient_for_the_smallest_eps() -> None:
    image = random_image(48, 48)
    image = 0.9 + 0.02 * image  # bright and nearly flat: the worst case of a difference of means
    exact, rough = (guided_filter(x[:, :1], x, 8, [1e-4])[0] for x in (image, image.float()))
    assert (exact - rough).abs().max() < 2e-5


def test_guided_filter_is_differentiable() -> None:
    guide, image = random_image(4, 5, 1).requires_grad_(), random_image(4, 5, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda g, x: tuple(guided_filter(g, x, 2, [1e-2, 1e-3])), (guide, image))


def test_low_and_high_frequencies_add_up_to_the_input() -> None:
    image = random_image(21, 16)
    low, high = GuidedFilterDecomposition(radii=(2, 4), eps=(1e-3, 1e-4))(image)
    assert low.shape == high.shape == (1, 12, 21, 16)
    torch.testing.assert_close(low + high, image.repeat(1, 4, 1, 1))
    residue = image.amax(1, keepdim=True) - image.amin(1, keepdim=True)
    torch.testing.assert_close(low[:, 3:6], guided_filter(residue, image, 2, [1e-4])[0])
    torch.testing.assert_close(low[:, 6:9], guided_filter(residue, image, 4, [1e-3])[0])


def test_grey_streaks_are_high_and_coloured_edges_are_low_frequencies() -> None:
    """Grey rain has no effect on the guide; a coloured edge has."""
    scene = torch.full((1, 3, 32, 32), 0.3)
    scene[:, 0, :, 16:] = 0.8
    streaks = torch.zeros(1, 1, 32, 32)
    streaks[..., ::6] = 0.2
    low, high = GuidedFilterDecomposition(radii=(4,), eps=(1e-4,))(scene + streaks)
    away = (slice(None), slice(None), slice(None), slice(0, 10))  # windows that do not reach the border
    assert low[away].std() < 0.15 * (scene + streaks)[away].std()
    step = low[:, 0, :, 17:].mean() - low[:, 0, :, :15].mean()
    assert step > 0.45
    assert high[..., ::6].mean() > 0.1


def test_filter_computes_in_single_precision_under_autocast() -> None:
    image = random_image(16, 16).float()
    decomposition = GuidedFilterDecomposition(radii=(2,), eps=(1e-4,))
    with torch.autocast('cpu', torch.bfloat16):
        low, _ = decomposition(image)
    assert torch.equal(low, decomposition(image)[0])


@pytest.mark.parametrize('options', [dict(radii=()), dict(radii=(0,)), dict(eps=(0.0,))])
def test_invalid_windows_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match='radii must be at least 1 and eps positive'):
        GuidedFilterDecomposition(**options)
