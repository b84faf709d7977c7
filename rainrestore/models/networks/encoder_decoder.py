"""An encoder and a decoder with a narrow bottleneck, and optional skip connections."""

from itertools import pairwise

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from rainrestore.models.networks.layers import crop_to, outputs_of, pad_to_multiple
from rainrestore.registry import MODELS


@MODELS.register_module()
class EncoderDecoder(BaseModule):
    """An autoencoder with a bottleneck of ``latent_channels``, and optional skip connections.

    The encoder has ``levels`` 4x4 convolutions with stride 2, of widths b, 2b, 4b, ... and ``latent_channels``. The
    decoder has the same number of transposed convolutions. Batch norm except in the first and the last layer; LeakyReLU
    0.2 in the encoder, ReLU in the decoder; tanh at the end. With skip connections it is the U-Net of pix2pix. With
    ``residual`` the output is the input plus 2 tanh, clipped.

    Args:
        in_channels: Channels of the image.
        base_channels: b.
        latent_channels: Channels of the bottleneck.
        levels: Number of halvings; the image is padded to a multiple of 2^levels.
        skips: Whether there are skip connections.
        residual: Whether the input is added to the output; needs ``in_channels=3``.
        init_cfg: Initialization config of mmengine.

    Raises:
        ValueError: ``residual`` with ``in_channels`` other than 3.
    """

    def __init__(
        self,
        in_channels: int = 3,
        base_channels: int = 32,
        latent_channels: int = 128,
        levels: int = 4,
        skips: bool = False,
        residual: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if residual and in_channels != 3:
            raise ValueError(f'EncoderDecoder: residual=True needs in_channels=3, got {in_channels}')
        self.skips = skips
        self.residual = residual
        widths = [*(base_channels * 2**level for level in range(levels - 1)), latent_channels]
        self.down = nn.ModuleList()
        for level, (a, b) in enumerate(pairwise([in_channels, *widths])):
            norm = [nn.BatchNorm2d(b)] if level else []
            self.down.append(nn.Sequential(nn.Conv2d(a, b, 4, 2, 1, bias=not level), *norm, nn.LeakyReLU(0.2)))
        self.up = nn.ModuleList()
        for level, (a, b) in enumerate(pairwise(widths[::-1])):
            given = 2 * a if skips and level else a
            deconvolution = nn.ConvTranspose2d(given, b, 4, 2, 1, bias=False)
            self.up.append(nn.Sequential(deconvolution, nn.BatchNorm2d(b), nn.ReLU()))
        self.to_rgb = nn.ConvTranspose2d(2 * widths[0] if skips else widths[0], 3, 4, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_channels, H, W) in [-1, 1], any sides -> RGB (N, 3, H, W) in [-1, 1]."""
        *passed, x = outputs_of(self.down, pad_to_multiple(image, 2 ** len(self.down)))
        for stage, beside in zip(self.up, reversed(passed), strict=True):
            x = stage(x)
            if self.skips:
                x = torch.cat((x, beside), 1)
        out = crop_to(torch.tanh(self.to_rgb(x).float()), image)
        return (image + 2 * out).clamp(-1, 1) if self.residual else out
