"""Encoders of the rain removal module.

The contract of the slot ``HRRM(encoder=...)``: ``forward(image)`` takes (N, in_channels, h, w), sides multiples of
``strides[-1]``, and returns one feature map for each level, fine to coarse; ``out_channels`` and ``strides`` give their
widths and strides.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from rainrestore.models.networks.layers import DenseLayer, Transition, conv_norm
from rainrestore.registry import MODELS


class PyramidEncoder(nn.Module):
    """A stem and stages; the features after each are the levels of the pyramid."""

    def __init__(self, levels: Sequence[nn.Module], out_channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)
        self.out_channels = tuple(out_channels)
        self.strides = tuple(strides)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, in_channels, h, w) -> the features of each level, (N, out_channels[i], h / strides[i], w /
        strides[i])."""
        features = []
        for level in self.levels:
            image = level(image)
            features.append(image)
        return features


def _stem(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """The ImageNet stem (7x7 stride 2, max pooling by 2) at stride 4; a 3x3 convolution at stride 1.

    A face of 32x32 pixels keeps its detail only with stride 1: with stride 4 its first features are 8x8.
    """
    if stride not in (1, 4):
        raise ValueError(f'stem_stride must be 1 or 4, got {stride}')
    if stride == 1:
        return nn.Sequential(conv_norm(in_channels, channels), nn.ReLU())
    return nn.Sequential(conv_norm(in_channels, channels, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))


def _doubling(
    in_channels: int,
    blocks: Sequence[int],
    stem_channels: int,
    stem_stride: int,
    stage: Callable[[int, int, int], nn.Module],
) -> tuple[list[nn.Module], list[int], list[int]]:
    """Levels, widths and strides: a stem, then stages (channels in, out, depth) that halve sides and double widths."""
    levels: list[nn.Module] = [_stem(in_channels, stem_channels, stem_stride)]
    channels, strides = [stem_channels], [stem_stride]
    for depth in blocks:
        levels.append(stage(channels[-1], 2 * channels[-1], depth))
        channels.append(2 * channels[-1])
        strides.append(2 * strides[-1])
    return levels, channels, strides


@MODELS.register_module()
class DenseNetEncoder(PyramidEncoder):
    """DenseNet-BC (Huang et al. 2017): dense blocks with transitions of compression 0.5 that halve the sides.

    The paper names DenseNet, but no width. The defaults are those of the bundled models.

    Args:
        in_channels: Channels of the image.
        growth: Channels that each dense layer adds. DenseNet-121 has 32.
        blocks: Dense layers per stage. DenseNet-121 to its third transition is (6, 12, 24).
        stem_channels: Width of the stem. DenseNet-121 has 64.
        stem_stride: 4 as for ImageNet, or 1 for small faces.
        bottleneck: Width of the 1x1 convolutions over ``growth``.
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
        levels: list[nn.Module] = [_stem(in_channels, stem_channels, stem_stride)]
        channels = [stem_channels]
        strides = [stem_stride]
        for depth in blocks:
            width = channels[-1]
            layers: list[nn.Module] = []
            for _ in range(depth):
                layers.append(DenseLayer(width, growth, bottleneck))
                width += growth
            levels.append(nn.Sequential(*layers, Transition(width, width // 2, scale=-2)))
            channels.append(width // 2)
            strides.append(strides[-1] * 2)
        super().__init__(levels, channels, strides)


class _ResidualBlock(nn.Module):
    """relu(x + conv-BN-ReLU-conv-BN(x)), with a 1x1 projection where the shape changes (He et al. 2016)."""

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
    """Residual stages of basic blocks (He et al. 2016), each halving the sides and doubling the width.

    Args: as :class:`DenseNetEncoder`; ``blocks`` counts residual blocks per stage. ResNet-18 is (2, 2, 2) from 64.
    """

    def __init__(
        self,
        in_channels: int = 3,
        blocks: Sequence[int] = (2, 2, 2),
        stem_channels: int = 64,
        stem_stride: int = 1,
    ) -> None:
        super().__init__(*_doubling(in_channels, blocks, stem_channels, stem_stride, self._stage))

    @staticmethod
    def _stage(narrow: int, wide: int, depth: int) -> nn.Sequential:
        first = _ResidualBlock(narrow, wide, 2)
        return nn.Sequential(first, *(_ResidualBlock(wide, wide, 1) for _ in range(depth - 1)))


@MODELS.register_module()
class VGGEncoder(PyramidEncoder):
    """VGG stages with batch normalisation (Simonyan & Zisserman 2015): 3x3 convolutions, then max pooling by 2.

    Args: as :class:`DenseNetEncoder`; ``blocks`` counts convolutions per stage. VGG-16 begins (2, 2, 3) from 64.
    """

    def __init__(
        self,
        in_channels: int = 3,
        blocks: Sequence[int] = (2, 2, 3),
        stem_channels: int = 64,
        stem_stride: int = 1,
    ) -> None:
        super().__init__(*_doubling(in_channels, blocks, stem_channels, stem_stride, self._stage))

    @staticmethod
    def _stage(narrow: int, wide: int, depth: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for index in range(depth):
            layers += [conv_norm(wide if index else narrow, wide), nn.ReLU()]
        return nn.Sequential(*layers, nn.MaxPool2d(2))
