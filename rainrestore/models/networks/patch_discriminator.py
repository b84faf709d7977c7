"""The discriminator of pix2pixHD: one logit per patch at several scales, and the features of all layers."""

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from rainrestore.models.networks.layers import outputs_of
from rainrestore.registry import MODELS


class PatchDiscriminator(nn.Module):
    """One logit per patch: 4x4 convolutions with stride 2, the last two with stride 1 (pix2pix, pix2pixHD).

    LeakyReLU 0.2; instance norm and spectral norm except in the first and the last layer.
    """

    def __init__(self, in_channels: int, base_channels: int, layers: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        width = in_channels
        for number in range(layers):
            wider = min(2**number, 8) * base_channels
            stride = 2 if number < layers - 1 else 1
            convolution = nn.Conv2d(width, wider, 4, stride, 2, bias=not number)
            parts: list[nn.Module] = [convolution if not number else spectral_norm(convolution)]
            parts += [nn.InstanceNorm2d(wider)] if number else []
            self.stages.append(nn.Sequential(*parts, nn.LeakyReLU(0.2)))
            width = wider
        self.stages.append(nn.Conv2d(width, 1, 4, 1, 2))

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, in_channels, H, W) -> the output of every layer, the logits (N, 1, h, w) last."""
        return outputs_of(self.stages, image)


@MODELS.register_module()
class MultiScalePatchDiscriminator(BaseModule):
    """Patch discriminators for the image at full, half, ... size (Wang et al., CVPR 2018).

    Args:
        in_channels: Channels of the image; 6 for concat(I, H).
        base_channels: Width of the first layer, 64 as published.
        layers: Convolutions before the logits, 4 as published in SPADE.
        scales: Number of discriminators; the image is halved between them. 2 as published.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(
        self,
        in_channels: int = 3,
        base_channels: int = 64,
        layers: int = 4,
        scales: int = 2,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.scales = nn.ModuleList(PatchDiscriminator(in_channels, base_channels, layers) for _ in range(scales))

    def forward(self, image: Tensor) -> list[list[Tensor]]:
        """(N, in_channels, H, W) in [-1, 1] -> for each scale the output of every layer, the logits last."""
        features = []
        for number, discriminator in enumerate(self.scales):
            if number:
                image = F.avg_pool2d(image, 3, 2, 1, count_include_pad=False)
            features.append(discriminator(image))
        return features
