"""Removal of raindrops on glass: the drop mask and the scene behind the drops."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from rainrestore.models.networks.layers import crop_to, enlarge, exporting, pad_to_multiple
from rainrestore.models.networks.unet import UNet
from rainrestore.registry import MODELS


class DropEstimate(NamedTuple):
    """The output of :class:`RaindropUNet`.

    Attributes:
        image: H^ (N, 3, H, W), not clipped to [0, 1].
        difference: D^ (N, 3, H, W).
        mask_logits: Logits of M^ (N, 1, H, W).
    """

    image: Tensor
    difference: Tensor
    mask_logits: Tensor


@MODELS.register_module()
class RaindropUNet(BaseModule):
    """``H^ = I + M^ D^``: a U-Net predicts the drop mask M^ in (0, 1) and the difference D^.

    Outside of drops M^ is near 0, so that H^ is near I. A pixel unshuffle by ``shuffle`` before the U-Net and a pixel
    shuffle after it let the widest layers work at a lower resolution. The initial weights of the last layer are near
    zero, so that the output of an untrained network is near its input.

    The network generalises only to drops of about the size in its training images. A larger image is therefore shrunk
    to their size, and D^ and M^ are enlarged. This loses no detail of the scene outside of drops; drops out of focus
    have no fine detail.

    Args:
        base_channels: Width of the U-Net's finest level; it doubles at each of ``levels - 1`` halvings.
        levels: Number of resolutions of the U-Net.
        shuffle: Factor of the pixel unshuffle.
        reference_side: Shorter side of the training images in pixels. Larger images are shrunk to it. None: images are
            never shrunk.
        init_cfg: Initialization config of mmengine.
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
        # An exported network does not shrink its input.
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
