"""An encoder and a decoder with a narrow waist between them."""

from itertools import pairwise

from mmengine.model import BaseModule
from torch import Tensor, nn

from rainrestore.models.networks.layers import crop_to, pad_to_multiple
from rainrestore.registry import MODELS


@MODELS.register_module()
class EncoderDecoder(BaseModule):
    """What a picture is has to pass a waist of ``latent_channels``; nothing goes around it.

    ``levels`` 4x4 convolutions with stride 2, of widths b, 2b, 4b, ... and at last ``latent_channels``, and as many
    transposed ones back; batch normalised but at the ends, LeakyReLU 0.2 going down and ReLU coming up; tanh.

    Args:
        in_channels: channels of the image.
        base_channels: b.
        latent_channels: channels of the waist.
        levels: halvings; other sides are padded.
        init_cfg: where weights come from.
    """

    def __init__(
        self,
        in_channels: int = 3,
        base_channels: int = 32,
        latent_channels: int = 128,
        levels: int = 4,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.levels = levels
        widths = [*(base_channels * 2**level for level in range(levels - 1)), latent_channels]
        layers: list[nn.Module] = []
        for level, (a, b) in enumerate(pairwise([in_channels, *widths])):
            layers.append(nn.Conv2d(a, b, 4, 2, 1, bias=not level))
            layers += [nn.BatchNorm2d(b)] if level else []
            layers.append(nn.LeakyReLU(0.2))
        for a, b in pairwise(widths[::-1]):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[0], 3, 4, 2, 1), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_channels, H, W) in [-1, 1], any sides -> RGB (N, 3, H, W) in [-1, 1]."""
        return crop_to(self.layers(pad_to_multiple(image, 2**self.levels)), image)
