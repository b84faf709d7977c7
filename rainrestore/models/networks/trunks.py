"""Trunks of the generator: what turns the low-resolution images into a feature map of the same size.

The contract of the slot ``FCGGenerator(trunk=...)``: built with ``in_channels``; ``forward`` maps (N, in_channels, h,
w) to (N, out_channels, h, w); ``out_channels`` names the width.
"""

from torch import Tensor, nn

from rainrestore.models.networks.layers import conv_norm
from rainrestore.registry import MODELS


class _SRResBlock(nn.Module):
    """x + conv-BN-PReLU-conv-BN(x)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_norm(channels, channels), nn.PReLU(), conv_norm(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


@MODELS.register_module()
class SRResNetTrunk(nn.Module):
    """The residual trunk of SRGAN (Ledig et al. 2017).

    9x9 convolution and PReLU, ``num_blocks`` residual blocks, 3x3 convolution and BN, plus the first layer's output.

    Args:
        in_channels: channels of the stacked images.
        channels: width, 64 in the paper.
        num_blocks: residual blocks, 16 in the paper.
    """

    def __init__(self, in_channels: int, channels: int = 64, num_blocks: int = 16) -> None:
        super().__init__()
        self.out_channels = channels
        self.stem = nn.Sequential(nn.Conv2d(in_channels, channels, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*(_SRResBlock(channels) for _ in range(num_blocks)), conv_norm(channels, channels))

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, channels, h, w)."""
        x = self.stem(image)
        return x + self.blocks(x)
