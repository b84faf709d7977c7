"""The guided filter, and a decomposition of an image into low and high frequencies."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rainrestore.registry import MODELS


def _window(side: int, radius: int, like: Tensor) -> Tensor:
    """(side, side) matrix whose row i averages the pixels at most ``radius`` from i, inside the image."""
    place = torch.arange(side, device=like.device)
    near = ((place[:, None] - place[None]).abs() <= radius).to(like.dtype)
    return near / near.sum(1, keepdim=True)


def box_mean(image: Tensor, radius: int) -> Tensor:
    """Mean over the (2 radius + 1)^2 window around each pixel of (..., H, W), restricted to the image.

    One matrix product per axis. Running sums would be faster on large images, but their rounding error would be as
    large as eps, because the filter subtracts means of nearly equal size.
    """
    rows, columns = (_window(side, radius, image) for side in image.shape[-2:])
    return rows @ image @ columns.mT


def guided_filter(guide: Tensor, image: Tensor, radius: int, eps: Sequence[float]) -> list[Tensor]:
    """The guided filter of He, Sun & Tang (2010), channel by channel; one result for each of ``eps``.

    In each window the output is an affine function of the guide, q = a p + b, with the least-squares solution
    a = cov(p, I) / (var(p) + eps) and b = mean(I) - a mean(p). a and b are averaged over all windows that contain a
    pixel. Edges of the guide with a variance above eps are preserved; other regions are smoothed.

    Args:
        guide: p, (N, 1, H, W), or (N, C, H, W) with a guide per channel.
        image: I, (N, C, H, W) in [0, 1], any sides.
        radius: Radius of the window, in pixels.
        eps: Regularisers, above 0.

    Returns:
        For each of ``eps``, (N, C, H, W).
    """
    mean_guide, mean_image = box_mean(guide, radius), box_mean(image, radius)
    covariance = box_mean(guide * image, radius) - mean_guide * mean_image
    variance = (box_mean(guide * guide, radius) - mean_guide * mean_guide).clamp(min=0)
    smooth = []
    for least in eps:
        slope = covariance / (variance + least)
        offset = mean_image - slope * mean_guide
        smooth.append(box_mean(slope, radius) * guide + box_mean(offset, radius))
    return smooth


@MODELS.register_module()
class GuidedFilterDecomposition(nn.Module):
    """Low and high frequencies of a rainy image (Li, Cheong & Tan 2019).

    Guided filters of every radius and eps smooth I. The guide is the residue max_c I - min_c I. Streaks and veil are
    grey and cancel in it, so that the filter preserves edges of the scene but not of the rain. High = I - low.

    Args:
        radii: Radii of the windows, in pixels, at least 1.
        eps: Regularisers of the filters, above 0.

    Raises:
        ValueError: An invalid radius or regulariser.
    """

    def __init__(self, radii: Sequence[int] = (2, 4, 8, 16, 32), eps: Sequence[float] = (1e-3, 1e-4)) -> None:
        super().__init__()
        if not radii or min(radii) < 1 or not eps or min(eps) <= 0:
            raise ValueError(f'radii must be at least 1 and eps positive, got {list(radii)} and {list(eps)}')
        self.radii = tuple(radii)
        self.eps = tuple(eps)
        self.out_channels = 3 * len(self.radii) * len(self.eps)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [0, 1], any sides -> low and high, (N, out_channels, H, W) each.

        The channels are ordered by radius, then eps, then R, G, B.
        """
        # Differences of means need single precision.
        with torch.autocast(image.device.type, enabled=False):
            image = image.contiguous()
            guide = image.amax(1, keepdim=True) - image.amin(1, keepdim=True)
            low = torch.cat([smooth for r in self.radii for smooth in guided_filter(guide, image, r, self.eps)], 1)
            return low, image.repeat(1, len(self.radii) * len(self.eps), 1, 1) - low
