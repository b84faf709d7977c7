"""Encoders of the rain removal module.

The contract of the slot ``HRRM(encoder=...)``: ``forward(image)`` maps (N, in_channels, h, w), with sides that are
multiples of ``strides[-1]``, to one feature map per level, fine to coarse. ``out_channels`` and ``strides`` are their
widths and strides. The stride doubles from level to level.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from rainrestore.models.networks.layers import DenseLayer, Transition, conv_norm, outputs_of
from rainrestore.registry import MODELS


class PyramidEncoder(nn.Module):
    """A stem and stages; their outputs are the levels of the feature pyramid."""

    def __init__(self, levels: Sequence[nn.Module], out_channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)
        self.out_channels = tuple(out_channels)
        self.strides = tuple(strides)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, in_channels, h, w) -> for each level i, (N, out_channels[i], h / strides[i], w / strides[i])."""
        return outputs_of(self.levels, image)


def _stem(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """Stride 4: the ImageNet stem (7x7 convolution with stride 2, max pooling by 2). Stride 1: a 3x3 convolution.

    Stride 1 is for faces of 32x32 pixels: with stride 4 the first features would be 8x8.
    """
    if stride not in (1, 4):
        raise ValueError(f'stem_stride must be 1 or 4, got {stride}')
    if stride == 1:
        return nn.Sequential(conv_norm(in_channels, channels), nn.ReLU())
    return nn.Sequential(conv_norm(in_channels, channels, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))


def _pyramid(
    in_channels: int, blocks: Sequence[int], stem_channels: int, stem_stride: int,
    stage: Callable[[int, int], tuple[nn.Module, int]],
) -> tuple[list[nn.Module], list[int], list[int]]:  # fmt: skip
    """Levels, widths and strides of a stem and stages that halve the sides.

    ``stage`` builds a stage from its channels in and its depth; it returns the stage and its channels out.
    """
    levels: list[nn.Module] = [_stem(in_channels, stem_channels, stem_stride)]
    channels = [stem_channels]
    for depth in blocks:
        level, width = stage(channels[-1], depth)
        levels.append(level)
        channels.append(width)
    return levels, channels, [stem_stride * 2**level for level in range(len(levels))]


@MODELS.register_module()
class DenseNetEncoder(PyramidEncoder):
    """DenseNet-BC (Huang et al. 2017): dense blocks with transitions of compression 0.5 that halve the sides.

    The paper names DenseNet, but no width. The bundled models use the defaults.

    Args:
        in_channels: Channels of the image.
        growth: Channels that each dense layer adds; 32 in DenseNet-121.
        blocks: Dense layers per stage; (6, 12, 24) in DenseNet-121 up to the third transition.
        stem_channels: Width of the stem; 64 in DenseNet-121.
        stem_stride: Stride of the stem: 4 as for ImageNet, or 1 for small faces.
        bottleneck: Width of the 1x1 convolutions, divided by ``growth``.
    """

    def __init__(
        self,
        in_channels: int = 3,
        growth: int = 16,
        blocks: Sequence[int] = (4, 6, 8),
        stem_channels: int = 32,
        stem_stride: int = 1,
        bottleneck: int = 4,
    ) -> None:
        def stage(width: int, depth: int) -> tuple[nn.Module, int]:
            layers = [DenseLayer(width + index * growth, growth, bottleneck) for index in range(depth)]
            width += depth * growth
            return nn.Sequential(*layers, Transition(width, width // 2, scale=-2)), width // 2

        super().__init__(*_pyramid(in_channels, blocks, stem_channels, stem_stride, stage))


class _ResidualBlock(nn.Module):
    """relu(x + conv-BN-ReLU-conv-BN(x)), with a 1x1 projection of x if the shape changes (He et al. 2016)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_norm(in_channels, out_channels, 3, stride), nn.ReLU(), conv_norm(out_channels, out_channels)
        )
        same = stride == 1 and in_channels == out_channels
        self.shortcut = nn.Identity() if same else conv_norm(in_channels, out_channels, 1, stride)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.shortcut(x) + self.body(x))


@MODELS.register_module()
class ResNetEncoder(PyramidEncoder):
    """Stages of basic residual blocks (He et al. 2016). Each stage halves the sides and doubles the width.

    The first stage of ResNet, which keeps the sides and the width of the stem, is omitted.

    Args:
        in_channels: Channels of the image.
        blocks: Residual blocks per stage; (2, 2, 2) in the stages 2 to 4 of ResNet-18.
        stem_channels: Width of the stem; 64 in ResNet-18.
        stem_stride: Stride of the stem: 4 as for ImageNet, or 1 for small faces.
    """

    def __init__(
        self, in_channels: int = 3, blocks: Sequence[int] = (2, 2, 2), stem_channels: int = 64, stem_stride: int = 1
    ) -> None:
        super().__init__(*_pyramid(in_channels, blocks, stem_channels, stem_stride, self._stage))

    @staticmethod
    def _stage(width: int, depth: int) -> tuple[nn.Module, int]:
        first = _ResidualBlock(width, 2 * width, 2)
        return nn.Sequential(first, *(_ResidualBlock(2 * width, 2 * width, 1) for _ in range(depth - 1))), 2 * width


@MODELS.register_module()
class VGGEncoder(PyramidEncoder):
    """VGG stages with batch norm (Simonyan & Zisserman 2015): 3x3 convolutions, then max pooling by 2.

    Each stage doubles the width. The stem replaces the first stage of VGG.

    Args:
        in_channels: Channels of the image.
        blocks: Convolutions per stage; (2, 3, 3) in the stages 2 to 4 of VGG-16, whose widths also double.
        stem_channels: Width of the stem.
        stem_stride: Stride of the stem: 4 as for ImageNet, or 1 for small faces.
    """

    def __init__(
        self, in_channels: int = 3, blocks: Sequence[int] = (2, 2, 3), stem_channels: int = 64, stem_stride: int = 1
    ) -> None:
        super().__init__(*_pyramid(in_channels, blocks, stem_channels, stem_stride, self._stage))

    @staticmethod
    def _stage(width: int, depth: int) -> tuple[nn.Module, int]:
        layers: list[nn.Module] = []
        for index in range(depth):
            layers += [conv_norm(2 * width if index else width, 2 * width), nn.ReLU()]
        return nn.Sequential(*layers, nn.MaxPool2d(2)), 2 * width
