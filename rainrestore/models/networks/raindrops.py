"""Removal of raindrops on glass: the drop mask and what lies behind the drops."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from rainrestore.models.networks.layers import crop_to, enlarge, exporting, pad_to_multiple
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

    A network knows drops of the size that it was trained on. A larger picture is brought down to that size, and the
    change and the mask are enlarged. Drops out of focus have no fine detail, and the picture beside them keeps its own.

    Args:
        base_channels: Width of the U-Net's finest level; it doubles at each of ``levels - 1`` halvings.
        levels: Resolutions of the U-Net.
        shuffle: Side of the block of pixels that becomes channels.
        reference_side: Shorter side of the pictures that it was trained on. Larger pictures are brought down to it.
            None restores every picture at its own size.
        init_cfg: Where weights come from.
    """

    def __init__(
        self,
        base_channels: int = 24,
        levels: int = 4,
        shuffle: int = 2,
        reference_side: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.shuffle = shuffle
        self.reference_side = reference_side
        self.unet = UNet(3 * shuffle**2, 4 * shuffle**2, base_channels, levels)
        torch.nn.init.normal_(self.unet.head.weight, std=1e-3)
        torch.nn.init.zeros_(self.unet.head.get_parameter('bias'))

    def forward(self, image: Tensor) -> DropEstimate:
        """I (N, 3, H, W) in [0, 1], any sides -> the estimate."""
        height, width = image.shape[-2:]
        ratio = 1.0 if self.reference_side is None else self.reference_side / min(height, width)
        # An exported network has the size that it is exported for.
        if ratio >= 1 or exporting():
            difference, logits = self.predict(image)
            return DropEstimate(image + logits.sigmoid() * difference, difference, logits)
        small = enlarge(image, (max(round(height * ratio), 1), max(round(width * ratio), 1)))
        difference, logits = (resample(values, (height, width)) for values in self.predict(small))
        return DropEstimate(image + logits.sigmoid() * difference, difference, logits)

    def predict(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """I (N, 3, h, w) in [0, 1] -> D^ (N, 3, h, w) and the logits of M^ (N, 1, h, w)."""
        blocks = F.pixel_unshuffle(pad_to_multiple(image, self.shuffle), self.shuffle)
        difference, logits = crop_to(F.pixel_shuffle(self.unet(blocks), self.shuffle), image).split((3, 1), 1)
        return difference, logits


def resample(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear enlargement of (N, C, h, w), of any range, to ``size`` = (H, W)."""
    return F.interpolate(values, size, mode='bilinear', antialias=True)
