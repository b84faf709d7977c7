"""HRRM: the interpretable heavy rain removal module (paper section 3.3)."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import cast

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from rainrestore.models.networks.layers import DenseLayer, Transition, average_cells, crop_to, pad_to_multiple
from rainrestore.physics import RainEstimate, invert
from rainrestore.registry import MODELS

#: Factor of the initial weights of a correction, which starts near 0 and has a gradient.
SMALL = 0.01


class DenseDecoder(nn.Module):
    """Dense layers and transitions from the coarsest level to stride ``out_stride``, with skips (after DCPDN).

    The first level starts from the encoder's coarsest features. At each further level, the features are concatenated
    with the encoder's features of that level, if it has any. One dense layer and a transition to ``growth[i]`` channels
    follow; except at the last level, the transition enlarges by 2. At stride 1 follow: concatenation of the image, a
    3x3 convolution to 20 channels, the means of grids of 4x4, 8x8 and 16x16 cells as one further channel each, and a
    3x3 convolution to the output.
    """

    def __init__(
        self,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        out_channels: int,
        out_stride: int,
        growth: Sequence[int],
        bottleneck: int,
    ) -> None:
        super().__init__()
        if len(growth) < len(encoder_channels):
            least = len(encoder_channels)
            raise ValueError(f'decoder_growth needs at least {least} values, coarse to fine, got {list(growth)}')
        strides = [encoder_strides[-1] // 2**level for level in range(len(growth) + 1)]
        if out_stride not in strides[:-1]:
            raise ValueError(f'decoder_growth {list(growth)} ends at stride {strides[-1]}, expected {out_stride}')
        self.stages = nn.ModuleList()
        self.skips = len(encoder_channels)
        width = 0
        for added, skip, stride in zip_longest(growth, reversed(encoder_channels), strides, fillvalue=0):
            layer = DenseLayer(width + skip, added, bottleneck)
            last = stride == out_stride
            self.stages.append(nn.Sequential(layer, Transition(layer.out_channels, added, 1 if last else 2)))
            width = added
            if last:
                break
        self.pool_sizes = (4, 8, 16) if out_stride == 1 else ()
        if self.pool_sizes:
            self.refine = nn.Sequential(nn.Conv2d(width + 3, 20, 3, padding=1), nn.LeakyReLU(0.2))
            self.pooled = nn.ModuleList(nn.Conv2d(20, 1, 1) for _ in self.pool_sizes)
            width = 20 + len(self.pool_sizes)
        self.head = nn.Conv2d(width, out_channels, 3, padding=1)

    def forward(self, features: list[Tensor], image: Tensor) -> Tensor:
        x = features[-1]
        for index, stage in enumerate(self.stages):
            if 0 < index < self.skips:
                x = torch.cat((x, features[-1 - index]), 1)
            x = stage(x)
        if self.pool_sizes:
            x = self.refine(torch.cat((x, image), 1))
            side = x.shape[-2:]
            pooled = [
                F.interpolate(conv(average_cells(x, size)), side, mode='nearest')
                for size, conv in zip(self.pool_sizes, self.pooled, strict=True)
            ]
            x = torch.cat((x, *pooled), 1)
        return self.head(x)


@MODELS.register_module()
class HRRM(BaseModule):
    """One encoder, four decoders: J, S, T and A of ``I = T (J + S) + (1 - T) A`` (paper eqs. 2, 9).

    No loss of the paper supervises S, T or A separately, so the heads restrict each quantity to its physical form. J
    and S are maps of three channels. T is one channel, decoded at a coarse stride and enlarged bilinearly, so that it
    cannot contain streaks. A is one colour per image, the average of a map that is decoded at the coarsest stride. All
    heads end in a sigmoid.

    With ``inverse``, which is not in the paper, J = J0 + R, clipped to [0, 1]. J0 = (I - (1 - T) A) / T - S is the rain
    model solved for J with the estimated S, T and A (:func:`rainrestore.physics.invert`). L_J then trains S, T and A,
    too. R is the output of the first decoder, which has J0 as a further input. R corrects errors of J0, such as
    amplified noise, and is near 0 before the training. With ``correction=False``, J = J0 and there is no such decoder.

    The image is padded to a multiple of the encoder's coarsest stride, and the maps are cropped.

    Args:
        encoder: Config of the encoder slot.
        decoder_growth: Growth of the dense layer of each decoder level, coarse to fine. The paper states none. The
            default is smaller than in DCPDN; the bundled models use it.
        bottleneck: Width of the decoders' 1x1 convolutions, divided by the growth.
        transmission_stride: The stride at which T is decoded, at most the encoder's coarsest stride.
        inverse: Whether J is the physical inverse J0 with a correction.
        correction: Whether there is a correction R of J0; False needs ``inverse``.
        streak_channels: Channels of the predicted S: 3, or 1 for rain without colour. The paper does not state it. With
            3 channels, eqs. 17 to 20 allow colours of J in S.
        init_cfg: Initialization config of mmengine.

    Raises:
        ValueError: An invalid ``streak_channels`` or ``decoder_growth``, or neither ``inverse`` nor ``correction``.
    """

    #: Submodules that `rainrestore audit` replaces, beside the whole module.
    audited = ('lr_decoder', 'streak_decoder', 'transmission_decoder', 'airlight_decoder')

    def __init__(
        self,
        encoder: dict,
        decoder_growth: Sequence[int] = (64, 64, 32, 32),
        bottleneck: int = 2,
        transmission_stride: int = 4,
        inverse: bool = False,
        correction: bool = True,
        streak_channels: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if streak_channels not in (1, 3):
            raise ValueError(f'HRRM: streak_channels must be 1 or 3, got {streak_channels}')
        if not (inverse or correction):
            raise ValueError('HRRM: correction=False needs inverse=True, because no decoder of J is left')
        self.inverse = inverse
        self.encoder = MODELS.build(encoder)
        channels, strides = self.encoder.out_channels, self.encoder.strides

        def decoder(out_channels: int, out_stride: int) -> DenseDecoder:
            return DenseDecoder(channels, strides, out_channels, out_stride, decoder_growth, bottleneck)

        self.lr_decoder = decoder(3, 1) if correction else None
        self.streak_decoder = decoder(streak_channels, 1)
        self.transmission_decoder = decoder(1, min(transmission_stride, strides[-1]))
        self.airlight_decoder = decoder(3, strides[-1])
        # Rain is sparse: the initial S is about 0.05 instead of 0.5.
        nn.init.constant_(cast(Tensor, self.streak_decoder.head.bias), -3.0)
        if inverse and self.lr_decoder is not None:
            with torch.no_grad():
                self.lr_decoder.head.weight.mul_(SMALL)
            nn.init.zeros_(cast(Tensor, self.lr_decoder.head.bias))

    def forward(self, image: Tensor) -> RainEstimate:
        """I (N, 3, h, w) in [0, 1] -> :class:`RainEstimate`."""
        padded = pad_to_multiple(image, self.encoder.strides[-1])
        features = self.encoder(padded)
        streak, transmission, airlight = self._rain(padded, features)
        decoder: DenseDecoder | None = self.lr_decoder
        lr = invert(padded.float(), streak, transmission, airlight) if self.inverse else padded
        if decoder is not None:
            drawn = decoder(features, lr).float()
            lr = (lr + drawn).clamp(0, 1) if self.inverse else drawn.sigmoid()
        lr, streak, transmission = (crop_to(x, image) for x in (lr, streak, transmission))
        return RainEstimate(lr, streak, transmission, airlight)

    def rain(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """I (N, 3, h, w) in [0, 1] -> S, T and A of :meth:`forward`, without the decoder of J."""
        padded = pad_to_multiple(image, self.encoder.strides[-1])
        streak, transmission, airlight = self._rain(padded, self.encoder(padded))
        return crop_to(streak, image), crop_to(transmission, image), airlight

    def _rain(self, padded: Tensor, features: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """The padded image and its features -> S, T and A, not cropped."""
        # The rain model subtracts these maps, so they are in single precision also with mixed precision.
        streak = self.streak_decoder(features, padded).float().sigmoid().expand(-1, 3, -1, -1)
        coarse = self.transmission_decoder(features, padded)
        transmission = F.interpolate(coarse, padded.shape[-2:], mode='bilinear', align_corners=False).float().sigmoid()
        airlight = self.airlight_decoder(features, padded).mean((2, 3), keepdim=True).float().sigmoid()
        return streak, transmission, airlight
