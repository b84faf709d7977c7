"""The face-parsing-guided generator (paper section 3.5)."""

from typing import cast

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from rainrestore.models.networks.layers import unshuffled_kernel
from rainrestore.registry import MODELS

#: Factor of the initial weights of the last convolution with ``residual``: the first outputs are near bicubic(J).
RESIDUAL_START = 0.1


@MODELS.register_module()
class FCGGenerator(BaseModule):
    """H = G(J, F, I) (paper eq. 23), based on SRGAN's generator.

    The input of the trunk is concat(J, I), or I without rain removal. The parsed face F is concatenated to the output
    of the trunk; in Face SR (Song et al. 2019) to its input. Then follow log2(scale) times {3x3 convolution to 4 times
    the width, pixel shuffle by 2, PReLU}, a 9x9 convolution to RGB and (tanh + 1) / 2.

    Three options are not in the paper:

    - ``residual``: H = bicubic(J) + tanh. The network predicts the difference from the enlarged J. In training H may
      leave [0, 1], because a clamp would stop the gradient.
    - ``subpixel_head``: one 3x3 convolution to 3 scale^2 channels and one pixel shuffle (ESPCN, Shi et al. 2016)
      replace the upsampling stages and the 9x9 convolution, which take as much time as the trunk.
    - ``attention``: a 1x1 convolution of the features and F computes gates in (0, 2) that multiply the features before
      F is concatenated (after Oktay et al. 2018). The initial gates are 1.

    Args:
        trunk: Config of the trunk slot, without ``in_channels``.
        scale: Enlargement s, a power of 2.
        channels: Width of the upsampling stages.
        derained: Whether J is an input.
        parsing_channels: Channels of F; 0 without parsing.
        parsing_at: Where F is concatenated: 'features' (output of the trunk) or 'input' (input of the trunk).
        residual: Whether the output is added to the enlarged J (without J: to the enlarged I).
        subpixel_head: Whether the output layer is a sub-pixel convolution (ESPCN); ``channels`` is then unused.
        attention: Whether gates multiply the features; needs F at the features.
        init_cfg: Initialization config of mmengine.

    Raises:
        ValueError: An invalid ``scale`` or ``parsing_at``, or ``attention`` without F at the features.
    """

    def __init__(
        self,
        trunk: dict,
        scale: int = 4,
        channels: int = 64,
        derained: bool = True,
        parsing_channels: int = 19,
        parsing_at: str = 'features',
        residual: bool = False,
        subpixel_head: bool = False,
        attention: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if scale < 2 or scale & (scale - 1):
            raise ValueError(f'scale must be a power of 2, at least 2, got {scale}')
        if parsing_at not in ('features', 'input'):
            raise ValueError(f"parsing_at must be 'features' or 'input', got {parsing_at!r}")
        self.scale = scale
        self.derained = derained
        self.parsing_channels = parsing_channels
        self.parsing_at = parsing_at
        self.residual = residual
        self.subpixel_head = subpixel_head
        early, late = (parsing_channels, 0) if parsing_at == 'input' else (0, parsing_channels)
        self.trunk = MODELS.build(dict(trunk, in_channels=(6 if derained else 3) + early))
        features = self.trunk.out_channels
        if attention and not late:
            raise ValueError("attention needs a face parser and parsing_at='features'")
        self.gates = nn.Conv2d(features + late, features, 1) if attention else None
        if self.gates is not None:
            nn.init.zeros_(self.gates.weight)
            nn.init.zeros_(cast(Tensor, self.gates.bias))
        width = features + late
        stages: list[nn.Module] = []
        for _ in range(0 if subpixel_head else scale.bit_length() - 1):
            stages += [nn.Conv2d(width, 4 * channels, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()]
            width = channels
        self.upsampler = nn.Sequential(*stages)
        last = nn.Conv2d(width, 3 * scale**2, 3, padding=1) if subpixel_head else nn.Conv2d(width, 3, 9, padding=4)
        if residual:
            with torch.no_grad():
                last.weight.mul_(RESIDUAL_START)
        self.tail: nn.Module = nn.Sequential(last, nn.PixelShuffle(scale)) if subpixel_head else last

    def forward(self, rainy: Tensor, derained: Tensor | None = None, parsing: Tensor | None = None) -> Tensor:
        """I (N, 3, h, w), J (N, 3, h, w), F (N, parsing_channels, h, w), all in [0, 1] -> H (N, 3, s h, s w) in [0, 1].

        Raises:
            ValueError: J or F is missing, or passed to a generator that was built without it.
        """
        if (derained is None) == self.derained or (parsing is None) == bool(self.parsing_channels):
            raise ValueError(
                f'the generator was built with derained={self.derained}, parsing_channels={self.parsing_channels}: '
                'the inputs must match'
            )
        image = rainy if derained is None else torch.cat((derained, rainy), 1)
        if parsing is not None and self.parsing_at == 'input':
            image = torch.cat((image, parsing), 1)
        features = self.trunk(image)
        if parsing is not None and self.parsing_at == 'features':
            guided = torch.cat((features, parsing.to(features.dtype)), 1)
            if self.gates is not None:
                guided = torch.cat((features * 2 * self.gates(guided).sigmoid(), guided[:, features.shape[1] :]), 1)
            features = guided
        drawn = self.reconstruct(features).float().tanh()
        if not self.residual:
            return (drawn + 1) / 2
        face = drawn + F.interpolate(
            rainy if derained is None else derained, scale_factor=self.scale, mode='bicubic', align_corners=False
        )
        return face if self.training else face.clamp(0, 1)

    def reconstruct(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) -> RGB before the tanh (N, 3, s h, s w)."""
        if self.subpixel_head or not self.training:
            return self.tail(self.upsampler(features))
        # The same function with the last pixel shuffle after the last convolution. The convolution then has 12 output
        # channels instead of 3 and uses more of the 16 lanes of a vector unit: on a CPU, forward and backward are two
        # to three times as fast. A PReLU with one slope commutes with the shuffle.
        *stages, shuffle, activation = self.upsampler
        for stage in (*stages, activation):
            features = stage(features)
        tail = cast(nn.Conv2d, self.tail)
        bias = cast(Tensor, tail.bias).repeat_interleave(4)
        return shuffle(F.conv2d(features, unshuffled_kernel(tail.weight, 2), bias, padding='same'))
