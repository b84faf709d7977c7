"""Layers for several networks."""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def exporting() -> bool:
    """Whether the network is being exported, so that the sides of the image are unknown."""
    return torch.compiler.is_exporting() or torch.jit.is_tracing()


def outputs_of(layers: Iterable[nn.Module], x: Tensor) -> list[Tensor]:
    """Apply layers one after another; returns the output of each."""
    outputs = []
    for layer in layers:
        x = layer(x)
        outputs.append(x)
    return outputs


def pad_to_multiple(image: Tensor, multiple: int, reflect: bool = False) -> Tensor:
    """Pad (N, C, h, w) at the right and the bottom so that both sides are multiples of ``multiple``.

    The border is replicated. With ``reflect`` it is mirrored if the image is larger than the padding.
    """
    height, width = image.shape[-2:]
    # In this form an exporter can prove that the new sides are multiples.
    right, below = ((side + multiple - 1) // multiple * multiple - side for side in (width, height))
    if not (exporting() or right or below):
        return image
    mirrored = reflect and right < width and below < height
    return F.pad(image, (0, right, 0, below), mode='reflect' if mirrored else 'replicate')


def crop_to(image: Tensor, like: Tensor) -> Tensor:
    """Undo :func:`pad_to_multiple`: the top left corner of ``image`` in the size of ``like``."""
    return image[..., : like.shape[-2], : like.shape[-1]]


def enlarge(image: Tensor, size: Sequence[int]) -> Tensor:
    """Bicubic enlargement of (N, C, h, w) in [0, 1] to ``size`` = (H, W), clipped to [0, 1].

    With antialias=True torch uses the Keys kernel with a = -0.5, as Pillow and the rain model; without, a = -0.75.
    """
    large = F.interpolate(image.contiguous(), tuple(size), mode='bicubic', antialias=True).clamp(0, 1)
    return large.contiguous(memory_format=torch.channels_last)


def average_cells(image: Tensor, cells: int) -> Tensor:
    """(N, C, h, w) -> (N, C, cells, cells): the mean of each cell, equal to ``F.adaptive_avg_pool2d``.

    ONNX has no such pooling, so in an export it is one matrix product per axis: row i averages from floor(i h / cells)
    to ceil((i + 1) h / cells).
    """
    if not exporting():
        return F.adaptive_avg_pool2d(image, cells)
    cell = torch.arange(cells, device=image.device)[:, None]
    averages = []
    for side in image.shape[-2:]:
        place = torch.arange(side, device=image.device)
        inside = (place >= cell * side // cells) & (place < ((cell + 1) * side + cells - 1) // cells)
        averages.append(inside.type_as(image) / inside.sum(1, keepdim=True))
    rows, columns = averages
    return rows @ image @ columns.mT


def conv_norm(in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution without bias, and batch norm."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out_channels)
    )


def leaky_convolutions(in_channels: int, layers: Iterable[tuple[int, int]], kernel: int = 3) -> list[nn.Module]:
    """A convolution for each (width, stride) in ``layers``, each followed by LeakyReLU 0.2."""
    modules: list[nn.Module] = []
    for width, stride in layers:
        modules += [nn.Conv2d(in_channels, width, kernel, stride, kernel // 2), nn.LeakyReLU(0.2)]
        in_channels = width
    return modules


def unshuffled_kernel(weight: Tensor, factor: int) -> Tensor:
    """The weight W' with ``shuffle(W' * x) = W * shuffle(x)``, where shuffle is a pixel shuffle by ``factor`` = r.

    A convolution to few channels uses few lanes of a vector unit. W' has r^2 times the input and output channels and is
    applied before the shuffle. The weight from pixel (i, j) of a block at offset (y, x) to pixel (a, b) of a block is
    W(r y + i - a, r x + j - b), with the origin at the centre of W, and zero outside W.

    Args:
        weight: W, (out, in, k, k), k odd, of a convolution with stride 1 and padding p = (k - 1) / 2.
        factor: r.

    Returns:
        W', (out r^2, in r^2, 2 q + 1, 2 q + 1), for a padding of q = ceil(p / r); differentiable.
    """
    side = weight.shape[-1]
    reach = -(-(side // 2) // factor)
    first = factor * reach - side // 2
    room = factor * (2 * reach + 1) - side - first
    kernels = [F.pad(weight, (first + b, room - b, first + a, room - a)) for a in range(factor) for b in range(factor)]
    return F.pixel_unshuffle(torch.stack(kernels, 1).flatten(0, 1), factor)


class DenseLayer(nn.Module):
    """BN-ReLU-1x1(bottleneck * growth)-BN-ReLU-3x3(growth), concatenated to its input (DenseNet-BC)."""

    def __init__(self, in_channels: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        inner = bottleneck * growth
        self.body = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, growth, 3, padding=1, bias=False),
        )
        self.out_channels = in_channels + growth

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.body(x)), 1)


class Transition(nn.Sequential):
    """BN-ReLU-1x1; with ``scale=-2`` average pooling by 2, with ``scale=2`` nearest enlargement by 2."""

    def __init__(self, in_channels: int, out_channels: int, scale: int = 1) -> None:
        resample = {1: nn.Identity(), 2: nn.Upsample(scale_factor=2), -2: nn.AvgPool2d(2)}[scale]
        convolution = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        super().__init__(nn.BatchNorm2d(in_channels), nn.ReLU(), convolution, resample)
