"""Discriminators."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from rainrestore.models.networks.layers import conv_norm
from rainrestore.registry import MODELS


@MODELS.register_module()
class SRGANDiscriminator(BaseModule):
    """SRGAN's discriminator (Ledig et al. 2017), fully convolutional up to a global pooling, for images of any size.

    3x3 convolutions of widths b, b/2, 2b, 2b/2, 4b, 4b/2, 8b, 8b/2 (/2: stride 2), batch norm except after the first,
    LeakyReLU 0.2; global average; 1x1 to 16b, LeakyReLU 0.2; 1x1 to one logit. The loss applies the sigmoid.

    Args:
        base_channels: b, 64 in the paper.
        in_channels: Channels of the image.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(self, base_channels: int = 64, in_channels: int = 3, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        width = base_channels
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 3, padding=1), nn.LeakyReLU(0.2)]
        for factor, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
            layers += [conv_norm(width, factor * base_channels, stride=stride), nn.LeakyReLU(0.2)]
            width = factor * base_channels
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(width, 2 * width), nn.LeakyReLU(0.2), nn.Linear(2 * width, 1))

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_channels, H, W) in [0, 1], sides of at least 16 -> logits (N,), always in single precision."""
        pooled = self.features(image).mean((2, 3))
        # In half precision sigmoid(7) rounds to 1, and the gradient of the linear adversarial loss vanishes.
        with torch.autocast(image.device.type, enabled=False):
            return self.head(pooled.float()).squeeze(1)
