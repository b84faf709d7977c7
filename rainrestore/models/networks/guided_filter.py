"""The guided filter, and a decomposition into frequencies by it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rainrestore.registry import MODELS


def _window(side: int, radius: int, like: Tensor) -> Tensor:
    """(side, side): row i averages what is at most ``radius`` away from i and inside the picture."""
    place = torch.arange(side, device=like.device)
    near = ((place[:, None] - place[None]).abs() <= radius).to(like.dtype)
    return near / near.sum(1, keepdim=True)


def box_mean(image: Tensor, radius: int) -> Tensor:
    """Mean over the (2 radius + 1)^2 window around each pixel of (..., H, W), restricted to the picture.

    One matrix product for each axis. Differences of running sums would be faster on large pictures, but the filter
    takes small differences of such means, and the rounding error would reach the size of its eps.
    """
    rows, columns = (_window(side, radius, image) for side in image.shape[-2:])
    return rows @ image @ columns.mT


def guided_filter(guide: Tensor, image: Tensor, radius: int, eps: Sequence[float]) -> list[Tensor]:
    """The guided filter of He, Sun & Tang (2010), grey guide p, channel by channel, one result for each of ``eps``.

    In each window the output is an affine function of the guide, q = a p + b, with the least squares
    a = cov(p, I) / (var(p) + eps) and b = mean(I) - a mean(p); a and b are then averaged over the windows that cover a
    pixel. Where the guide is flat the result is the mean of means; edges with a variance above eps stay.

    Args:
        guide: P, (N, 1, H, W), or (N, C, H, W) for a guide of each channel.
        image: I, (N, C, H, W) in [0, 1], any sides.
        radius: Radius of the window, in pixels.
        eps: Least variances that count as an edge.
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

    Guided filters of every radius and eps smooth I; the guide is the residue max_c I - min_c I, in which streaks and
    veil, grey both, cancel, so that the passband follows the scene and not the rain. High = I - low.

    Args:
        radii: Radii of the windows, in pixels.
        eps: Regularisers of the filters.
    """

    def __init__(self, radii: Sequence[int] = (2, 4, 8, 16, 32), eps: Sequence[float] = (1e-3, 1e-4)) -> None:
        super().__init__()
        if not radii or min(radii) < 1 or not eps or min(eps) <= 0:
            raise ValueError(f'radii must be at least 1 and eps positive, got {list(radii)} and {list(eps)}')
        self.radii = tuple(radii)
        self.eps = tuple(eps)
        self.out_channels = 3 * len(self.radii) * len(self.eps)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [0, 1], any sides -> low and high, (N, out_channels, H, W) each: for every radius, eps by
        eps, R, G, B."""
        # # Differences of means need single precision.
        with torch.autocast(image.device.type, enabled=False):
            image = image.contiguous()
            guide = image.amax(1, keepdim=True) - image.amin(1, keepdim=True)
            low = torch.cat([smooth for r in self.radii for smooth in guided_filter(guide, image, r, self.eps)], 1)
            return low, image.repeat(1, len(self.radii) * len(self.eps), 1, 1) - low
