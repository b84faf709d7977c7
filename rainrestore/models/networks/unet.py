"""The U-Net, used by several networks."""

from itertools import pairwise

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from rainrestore.models.networks.layers import conv_norm, crop_to, pad_to_multiple
from rainrestore.registry import MODELS


def _double(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        conv_norm(in_channels, out_channels), nn.ReLU(), conv_norm(out_channels, out_channels), nn.ReLU()
    )


@MODELS.register_module()
class UNet(BaseModule):
    """U-Net (Ronneberger et al. 2015) with batch norm and without a final activation.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the output.
        base_channels: Width of the finest level; it doubles at each of ``levels - 1`` halvings.
        levels: Number of resolutions, including the finest.
        condition_channels: Length of a vector per image that is concatenated to every pixel of the coarsest level; 0
            for none.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        base_channels: int = 16,
        levels: int = 4,
        condition_channels: int = 0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        widths = [base_channels * 2**level for level in range(levels)]
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.down = nn.ModuleList(_double(a, b) for a, b in pairwise([in_channels, *widths]))
        self.pool = nn.MaxPool2d(2)
        pairs = list(pairwise(widths[::-1]))
        given = [widths[-1] + condition_channels, *(a for a, _ in pairs[1:])]
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, (_, b) in zip(given, pairs, strict=True))
        self.up = nn.ModuleList(_double(2 * b, b) for _, b in pairs)
        self.head = nn.Conv2d(base_channels, out_channels, 1)

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Tensor:
        """(N, in_channels, h, w), any sides, and (N, condition_channels, 1, 1) -> (N, out_channels, h, w), float32."""
        x = pad_to_multiple(image, 2 ** len(self.up))
        skips: list[Tensor] = []
        for index, block in enumerate(self.down):
            x = block(self.pool(x) if index else x)
            skips.append(x)
        if condition is not None:
            x = torch.cat((x, condition.to(x.dtype).expand(-1, -1, *x.shape[-2:])), 1)
        for enlarge, block, skip in zip(self.enlarge, self.up, skips[-2::-1], strict=True):
            x = block(torch.cat((enlarge(x), skip), 1))
        return crop_to(self.head(x), image).float()
