"""FPM: the face parsing module (paper section 3.4)."""

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
class FaceParsingUNet(BaseModule):
    """U-Net (Ronneberger et al. 2015): concat(I, J) at low resolution -> the parsed face F at low resolution.

    Args:
        in_channels: 6 for I and J, 3 for I alone (Face SR).
        out_channels: 19 labels as area-averaged one-hot (softmax), or 3 for a colour picture (sigmoid).
        base_channels: width of the finest level; it doubles at each of ``levels - 1`` halvings.
        levels: resolutions, the finest included.
        activation: 'softmax' (the channels sum to 1) or 'sigmoid'.
        init_cfg: where weights come from.
    """

    def __init__(
        self,
        in_channels: int = 6,
        out_channels: int = 19,
        base_channels: int = 16,
        levels: int = 4,
        activation: str = 'softmax',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if activation not in ('softmax', 'sigmoid'):
            raise ValueError(f"activation must be 'softmax' or 'sigmoid', got {activation!r}")
        widths = [base_channels * 2**level for level in range(levels)]
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.activation = activation
        self.down = nn.ModuleList(_double(a, b) for a, b in pairwise([in_channels, *widths]))
        self.pool = nn.MaxPool2d(2)
        coarse_to_fine = widths[::-1]
        pairs = list(pairwise(coarse_to_fine))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in pairs)
        self.up = nn.ModuleList(_double(2 * b, b) for _, b in pairs)
        self.head = nn.Conv2d(base_channels, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_channels, h, w) in [0, 1] -> F (N, out_channels, h, w) in [0, 1]. Any sides."""
        x = pad_to_multiple(image, 2 ** len(self.up))
        skips: list[Tensor] = []
        for index, block in enumerate(self.down):
            x = block(self.pool(x) if index else x)
            skips.append(x)
        for enlarge, block, skip in zip(self.enlarge, self.up, skips[-2::-1], strict=True):
            x = block(torch.cat((enlarge(x), skip), 1))
        logits = crop_to(self.head(x), image).float()
        return logits.softmax(1) if self.activation == 'softmax' else logits.sigmoid()
