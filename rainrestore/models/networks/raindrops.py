"""Removal of raindrops on glass: the drop mask and what lies behind the drops."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from rainrestore.models.networks.layers import crop_to, pad_to_multiple
from rainrestore.models.networks.unet import UNet
from rainrestore.registry import MODELS


class DropEstimate(NamedTuple):
    """What the network predicts.

    Attributes:
        picture: H^ (N, 3, H, W), in [0, 1] but for overshoots.
        difference: D^ (N, 3, H, W).
        mask_logits: Logits of M^ (N, 1, H, W).
    """

    picture: Tensor
    difference: Tensor
    mask_logits: Tensor


@MODELS.register_module()
class RaindropUNet(BaseModule):
    """``H^ = I + M^ D^``: a U-Net predicts the drop mask M^ in (0, 1) and the difference D^ that is needed there.

    Where there is no drop, M^ is near 0 and the picture stays as it is. The picture enters with ``shuffle`` x
    ``shuffle`` pixels side by side as channels, and leaves in the same way, so that the widest layers work at a lower
    resolution. The last layer starts near zero: an untrained network returns almost its input.

    Args:
        base_channels: Width of the U-Net's finest level; it doubles at each of ``levels - 1`` halvings.
        levels: Resolutions of the U-Net.
        shuffle: Side of the block of pixels that becomes channels.
        init_cfg: Where weights come from.
    """

    def __init__(
        self, base_channels: int = 24, levels: int = 4, shuffle: int = 2, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.shuffle = shuffle
        self.unet = UNet(3 * shuffle**2, 4 * shuffle**2, base_channels, levels)
        torch.nn.init.normal_(self.unet.head.weight, std=1e-3)
        torch.nn.init.zeros_(self.unet.head.bias)

    def forward(self, image: Tensor) -> DropEstimate:
        """I (N, 3, H, W) in [0, 1], any sides -> the estimate."""
        blocks = F.pixel_unshuffle(pad_to_multiple(image, self.shuffle), self.shuffle)
        difference, logits = crop_to(F.pixel_shuffle(self.unet(blocks), self.shuffle), image).split((3, 1), 1)
        return DropEstimate(image + logits.sigmoid() * difference, difference, logits)
