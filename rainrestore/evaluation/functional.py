"""PSNR, SSIM and multi-scale SSIM of batches, one value per image.

The values agree with mmagic's, and so with the usual super-resolution convention, to 1e-4. Images are in [0, 255] and
are neither rounded nor clipped. The computation is in float64, because SSIM subtracts squares of up to 65025.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Image = np.ndarray | Tensor

PEAK = 255.0
LUMA_WEIGHTS = (65.481, 128.553, 24.966)
LUMA_OFFSET = 16.0
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_C1 = (0.01 * PEAK) ** 2
SSIM_C2 = (0.03 * PEAK) ** 2
#: Weights of the scales of MS-SSIM, the finest first, as measured by Wang et al. (2003).
MSSSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def luma(images: Tensor) -> Tensor:
    """Y of ITU-R BT.601 in studio range, 16..235, of N x 3 x H x W RGB images in [0, 255]; N x 1 x H x W."""
    weights = images.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
    return (images / PEAK * weights).sum(1, keepdim=True) + LUMA_OFFSET


def psnr(pred: Image, gt: Image, crop_border: int = 0, convert_to: str | None = None) -> Tensor:
    """Peak signal-to-noise ratio, 20 log10(255 / sqrt(MSE)), over all channels and pixels of an image.

    Args:
        pred: Images in [0, 255], RGB: a tensor N x C x H x W or C x H x W, or an array N x H x W x C or H x W x C.
        gt: The ground truth, of the same shape and on the same device.
        crop_border: Number of pixels to crop at each edge.
        convert_to: ``'Y'`` for the luma (:func:`luma`), None for the RGB channels.

    Returns:
        N values in dB, float64, on the device of the images; infinite for equal images.

    Raises:
        ValueError: The shapes differ, the crop is too large, or ``convert_to`` is unknown.
    """
    pred, gt = _prepare(pred, gt, crop_border, convert_to)
    mse = (pred - gt).square().flatten(1).mean(1)
    return 10.0 * torch.log10(PEAK**2 / mse)


def ssim(pred: Image, gt: Image, crop_border: int = 0, convert_to: str | None = None) -> Tensor:
    """Structural similarity (Wang et al. 2004), the mean over channels and window positions inside the image.

    The window is an 11 x 11 Gaussian with sigma 1.5; C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2.

    Args:
        pred: See :func:`psnr`.
        gt: See :func:`psnr`.
        crop_border: Number of pixels to crop at each edge.
        convert_to: ``'Y'`` or None; see :func:`psnr`.

    Returns:
        N values, float64, on the device of the images; 1 for equal images.

    Raises:
        ValueError: See :func:`psnr`; also if the cropped image is smaller than the window.
    """
    luminance, structure = _similarity(*_prepare(pred, gt, crop_border, convert_to))
    return (luminance * structure).flatten(1).mean(1)


def msssim(
    pred: Image, gt: Image, scales: int = len(MSSSIM_WEIGHTS), crop_border: int = 0, convert_to: str | None = None
) -> Tensor:
    """Multi-scale structural similarity (Wang, Simoncelli & Bovik 2003).

    ``prod_(s<S) cs_s^w_s * ssim_S^w_S``: cs_s is the contrast and structure term of SSIM at scale s, ssim_S is SSIM at
    the coarsest scale; both are means over channels and window positions as in :func:`ssim`. Between scales, 2 x 2
    pixels are averaged (fewer at the end of an odd side). A negative mean counts as 0.

    The published weights are for five scales, which need sides above 160. For smaller images, fewer ``scales`` use the
    first weights, divided by their sum; the values are not comparable with those for five scales. With one scale it is
    SSIM. (The code published with HiFaceGAN uses five scales and raises ssim_5 to four times its weight.)

    Args:
        pred: See :func:`psnr`.
        gt: See :func:`psnr`.
        scales: Number of scales S, 1 to 5.
        crop_border: Number of pixels to crop at each edge.
        convert_to: ``'Y'`` or None; see :func:`psnr`.

    Returns:
        N values, float64, on the device of the images; 1 for equal images.

    Raises:
        ValueError: See :func:`psnr`; also if the images are too small for ``scales``.
    """
    check_scales(scales)
    pred, gt = _prepare(pred, gt, crop_border, convert_to)
    height, width = pred.shape[-2:]
    fitting = sum(min(height, width) > _too_small(count) for count in range(1, len(MSSSIM_WEIGHTS) + 1))
    if scales > fitting:
        raise ValueError(
            f'MS-SSIM over {scales} scales needs sides of at least {_too_small(scales) + 1}, the images have '
            f'{height}x{width}' + (f'; scales={fitting} fits' if fitting else '')
        )
    weights = MSSSIM_WEIGHTS[:scales]
    # The five published weights are not normalised, although their sum is 1.0001.
    total = 1.0 if scales == len(MSSSIM_WEIGHTS) else sum(weights)
    product = pred.new_ones(len(pred))
    for scale, weight in enumerate(weights, 1):
        luminance, structure = _similarity(pred, gt)
        factor = luminance * structure if scale == scales else structure
        product = product * factor.flatten(1).mean(1).clamp(min=0) ** (weight / total)
        if scale < scales:
            pred, gt = (F.avg_pool2d(side, 2, ceil_mode=True) for side in (pred, gt))
    return product


def check_scales(scales: int) -> None:
    """Check the number of scales of MS-SSIM.

    Raises:
        ValueError: ``scales`` is not 1 to 5.
    """
    if not 1 <= scales <= len(MSSSIM_WEIGHTS):
        raise ValueError(f'scales must be 1 to {len(MSSSIM_WEIGHTS)}, got {scales!r}')


def _too_small(scales: int) -> int:
    """The largest side that is smaller than the window at the coarsest scale."""
    return (SSIM_WINDOW - 1) * 2 ** (scales - 1)


def _similarity(pred: Tensor, gt: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM's luminance term and its contrast and structure term, N x C x (H - 10) x (W - 10) each."""
    count, channels, height, width = pred.shape
    if min(height, width) < SSIM_WINDOW:
        raise ValueError(f'SSIM needs at least {SSIM_WINDOW}x{SSIM_WINDOW} pixels, the images have {height}x{width}')
    # Two products with banded matrices compute the local moments of the 5 N C maps. A convolution would be many times
    # slower, because torch has no fast float64 kernel for CPUs.
    maps = torch.stack([pred, gt, pred * pred, gt * gt, pred * gt]).reshape(-1, height, width)
    maps = _windows(height, maps) @ maps @ _windows(width, maps).mT
    mean_p, mean_g, square_p, square_g, product = maps.view(5, count, channels, *maps.shape[1:])
    variance_p, variance_g, covariance = square_p - mean_p**2, square_g - mean_g**2, product - mean_p * mean_g
    luminance = (2 * mean_p * mean_g + SSIM_C1) / (mean_p**2 + mean_g**2 + SSIM_C1)
    structure = (2 * covariance + SSIM_C2) / (variance_p + variance_g + SSIM_C2)
    return luminance, structure


def _windows(size: int, like: Tensor) -> Tensor:
    """The matrix, (size - 10) x size, whose rows are the Gaussian window at each position."""
    offsets = torch.arange(SSIM_WINDOW, dtype=like.dtype, device=like.device) - SSIM_WINDOW // 2
    weights = torch.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    weights /= weights.sum()
    matrix = like.new_zeros(size - SSIM_WINDOW + 1, size)
    for tap, weight in enumerate(weights):
        matrix.diagonal(tap).fill_(weight)
    return matrix


def _prepare(pred: Image, gt: Image, crop_border: int, convert_to: str | None) -> tuple[Tensor, Tensor]:
    pred, gt = _as_batch(pred), _as_batch(gt)
    if pred.shape != gt.shape:
        raise ValueError(f'the prediction has shape {_sides(pred.shape)}, the ground truth {_sides(gt.shape)}')
    if convert_to == 'Y':
        pred, gt = luma(pred), luma(gt)
    elif convert_to is not None:
        raise ValueError(f"convert_to must be 'Y' or None, got {convert_to!r}")
    if crop_border:
        if crop_border < 0 or 2 * crop_border >= min(pred.shape[-2:]):
            raise ValueError(f'crop_border={crop_border} is negative or too large for {_sides(pred.shape)}')
        inside = (..., slice(crop_border, -crop_border), slice(crop_border, -crop_border))
        pred, gt = pred[inside], gt[inside]
    return pred, gt


def _as_batch(images: Image) -> Tensor:
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(np.ascontiguousarray(images)).movedim(-1, -3)
    if images.dim() == 3:
        images = images.unsqueeze(0)
    if images.dim() != 4:
        raise ValueError(f'expected one image or a batch of images, got shape {tuple(images.shape)}')
    return images.detach().double()


def _sides(shape: Sequence[int]) -> str:
    return 'x'.join(map(str, shape))
