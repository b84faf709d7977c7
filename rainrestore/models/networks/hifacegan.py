"""HiFaceGAN's generator: suppression and replenishment, nested over the levels of a pyramid (Yang et al. 2020)."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from rainrestore.models.networks.generator import RESIDUAL_START
from rainrestore.models.networks.layers import outputs_of
from rainrestore.registry import MODELS

#: The importance of a pixel is exp(LOGIT_SCALE * sigmoid(.)): from 1 to 160,000.
LOGIT_SCALE = 12.0
#: The widest level has this many times the base channels.
WIDEST = 16
#: Normalisation of SPADE.
NORMS: dict[str, type[nn.Module]] = {'batch': nn.BatchNorm2d, 'instance': nn.InstanceNorm2d}


class LocalImportancePooling(nn.Module):
    """Halve the sides by an average with learned weights (Gao et al., ICCV 2019).

    ``y = avg(x w) / avg(w)`` over 3x3 pixels with stride 2, ``w = exp(12 sigmoid(IN(conv3x3(x))))``. Small weights
    exclude degraded pixels from the average.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.logit = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.InstanceNorm2d(channels, affine=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w), even sides -> (N, C, h / 2, w / 2)."""
        # Single precision, because the weights differ by factors of up to 1e5.
        weight = torch.exp(LOGIT_SCALE * self.logit(x).float().sigmoid())
        return F.avg_pool2d(x.float() * weight, 3, 2, 1) / F.avg_pool2d(weight, 3, 2, 1)


class SuppressionEncoder(nn.Module):
    """The encoder: a feature pyramid that modulates the decoder.

    Stem: 3x3 convolution to b channels, instance norm, ReLU. Then ``levels`` times local importance pooling, a 3x3
    convolution to ``min(2^i, 16) b`` channels, instance norm and, except at the last level, ReLU.

    Args:
        in_channels: Channels of the image.
        base_channels: b.
        levels: Number of halvings.
        stem_norm: Whether the stem has instance norm and ReLU.
    """

    def __init__(self, in_channels: int, base_channels: int, levels: int, stem_norm: bool = True) -> None:
        super().__init__()
        self.widths = [min(2**level, WIDEST) * base_channels for level in range(levels + 1)]
        self.stem: nn.Module = nn.Conv2d(in_channels, base_channels, 3, padding=1, bias=not stem_norm)
        if stem_norm:
            self.stem = nn.Sequential(self.stem, nn.InstanceNorm2d(base_channels, affine=True), nn.ReLU())
        self.stages = nn.ModuleList()
        for level, (width, wider) in enumerate(zip(self.widths, self.widths[1:], strict=False), 1):
            convolution = nn.Conv2d(width, wider, 3, padding=1, bias=False)
            layers = [LocalImportancePooling(width), convolution, nn.InstanceNorm2d(wider, affine=True)]
            self.stages.append(nn.Sequential(*layers, *([nn.ReLU()] if level < levels else [])))

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, in_channels, H, W) -> ``levels`` + 1 features, sides H / 2^i, the finest first."""
        return outputs_of([self.stem, *self.stages], image)


class SpatialModulation(nn.Module):
    """SPADE (Park et al., CVPR 2019): ``norm(x) (1 + gamma(g)) + beta(g)``, gamma and beta computed from a guide g.

    Args:
        channels: Channels of x.
        guide_channels: Channels of g.
        hidden: Channels between g and gamma, beta.
        norm: ``'batch'`` or ``'instance'``, both without affine parameters.
    """

    def __init__(self, channels: int, guide_channels: int, hidden: int, norm: str) -> None:
        super().__init__()
        self.norm = NORMS[norm](channels, affine=False)
        self.shared = nn.Sequential(nn.Conv2d(guide_channels, hidden, 3, padding=1), nn.ReLU())
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """(N, C, h, w) and (N, guide_channels, h, w) -> (N, C, h, w)."""
        shared = self.shared(guide)
        return self.norm(x) * (1 + self.gamma(shared)) + self.beta(shared)


class ModulatedResidualBlock(nn.Module):
    """Two 3x3 convolutions with spectral norm, each after SPADE and LeakyReLU 0.2, added to a shortcut.

    If the width changes, the shortcut is SPADE and a 1x1 convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, guide_channels: int, hidden: int, norm: str) -> None:
        super().__init__()
        middle = min(in_channels, out_channels)
        self.norm_0 = SpatialModulation(in_channels, guide_channels, hidden, norm)
        self.norm_1 = SpatialModulation(middle, guide_channels, hidden, norm)
        # No biases: the next normalisation would remove them.
        self.conv_0 = spectral_norm(nn.Conv2d(in_channels, middle, 3, padding=1, bias=False))
        self.conv_1 = spectral_norm(nn.Conv2d(middle, out_channels, 3, padding=1, bias=False))
        self.shortcut = None
        if in_channels != out_channels:
            self.norm_s = SpatialModulation(in_channels, guide_channels, hidden, norm)
            self.shortcut = spectral_norm(nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """(N, in_channels, h, w) and its guide -> (N, out_channels, h, w)."""
        inner = self.conv_0(F.leaky_relu(self.norm_0(x, guide), 0.2))
        inner = self.conv_1(F.leaky_relu(self.norm_1(inner, guide), 0.2))
        return inner + (x if self.shortcut is None else self.shortcut(self.norm_s(x, guide)))


@MODELS.register_module()
class HiFaceNet(BaseModule):
    """HiFaceGAN's generator (Yang et al., ACM MM 2020), without a face prior and without a degradation model.

    The suppression encoder computes a feature pyramid. The replenishment decoder starts from the image shrunk by
    ``2^levels``. At each level, from the coarsest, a residual block adds detail, modulated by the encoder's features
    of that level. Between levels the features are enlarged by 2 (nearest). With 5 levels the widths are 16, 16, 16, 8,
    4, 2, 1 times b, as published (two blocks at the second level). The last layers are a convolution to RGB and tanh.

    Differences from the authors' public code, on points that the paper leaves open: the image is shrunk by an
    antialiased bilinear filter instead of nearest neighbours, and the encoder's instance norms have affine parameters.
    The public code synchronises its batch norm over processes; set ``sync_bn='torch'`` in a distributed run for that.

    With ``residual``, which is not in the paper, the output is the image plus 2 tanh, and the initial change is small:
    details that the degradation left need not pass the network. In training the output may leave [-1, 1], because a
    clamp would stop the gradient.

    ``mixed_guidance`` shows the effect of each level: one image modulates the coarse levels, another the fine levels.

    Args:
        in_channels: Channels of the image.
        base_channels: b, 64 as published (48 for GPUs with less memory).
        levels: Number of halvings; 5 as published for 512 pixels. Sides must be divisible by ``2^levels``, and the
            coarsest level must have at least 2x2 pixels for the normalisation.
        hidden: Channels of the hidden layer of SPADE, 128 as published.
        norm: Normalisation of SPADE, ``'batch'`` as in the public code, or ``'instance'``.
        stem_norm: Whether instance norm and ReLU follow the encoder's first convolution, as in the public code.
        residual: Whether the output is added to the image; needs ``in_channels=3``.
        init_cfg: Initialization config of mmengine.

    Raises:
        ValueError: ``levels`` below 1, an unknown ``norm``, or ``residual`` with ``in_channels`` other than 3.
    """

    def __init__(
        self,
        in_channels: int = 3,
        base_channels: int = 64,
        levels: int = 5,
        hidden: int = 128,
        norm: str = 'batch',
        stem_norm: bool = True,
        residual: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if residual and in_channels != 3:
            raise ValueError(f'HiFaceNet: residual=True needs in_channels=3, got {in_channels}')
        if levels < 1:
            raise ValueError(f'HiFaceNet: levels must be at least 1, got {levels}')
        if norm not in NORMS:
            raise ValueError(f'HiFaceNet: norm must be one of {", ".join(NORMS)}, got {norm!r}')
        self.levels = levels
        self.residual = residual
        self.encoder = SuppressionEncoder(in_channels, base_channels, levels, stem_norm)
        widths = self.encoder.widths
        self.start = nn.Conv2d(in_channels, widths[-1], 3, padding=1, bias=False)
        self.blocks = nn.ModuleList()
        width = widths[-1]
        for level in reversed(range(levels + 1)):
            blocks = nn.ModuleList()
            for _ in range(2 if level == levels - 1 else 1):
                blocks.append(ModulatedResidualBlock(width, widths[level], widths[level], hidden, norm))
                width = widths[level]
            self.blocks.append(blocks)
        self.to_rgb = nn.Conv2d(width, 3, 3, padding=1)
        if residual:
            with torch.no_grad():
                self.to_rgb.weight.mul_(RESIDUAL_START)
            nn.init.zeros_(cast(Tensor, self.to_rgb.bias))

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_channels, H, W) in [-1, 1] -> RGB (N, 3, H, W) in [-1, 1]."""
        return self.decode(image, self.encoder(image))

    def mixed_guidance(self, first: Tensor, rest: Tensor, levels: int) -> Tensor:
        """Restore with the ``levels`` coarsest levels modulated by ``first`` and the other levels by ``rest``.

        The decoder always starts from the shrunken ``first``; with ``residual``, its output is added to ``first``. With
        ``self.levels`` + 1 the result is the restored ``first``.

        Args:
            first: (N, in_channels, H, W) in [-1, 1].
            rest: The same size.
            levels: 0 to ``self.levels`` + 1.

        Returns:
            (N, 3, H, W) in [-1, 1].

        Raises:
            ValueError: ``levels`` is outside its range.
        """
        if not 0 <= levels <= self.levels + 1:
            raise ValueError(f'mixed_guidance: levels must be 0 to {self.levels + 1}, got {levels}')
        coarse, fine = self.encoder(first), self.encoder(rest)
        split = self.levels + 1 - levels
        return self.decode(first, fine[:split] + coarse[split:])

    def decode(self, image: Tensor, features: list[Tensor]) -> Tensor:
        """The image, which is shrunk to the coarsest level, and the feature pyramid -> RGB in [-1, 1]."""
        small = F.interpolate(image, features[-1].shape[-2:], mode='bilinear', antialias=True)
        x = self.start(small)
        levels: list[Any] = list(self.blocks)
        for number, (blocks, guide) in enumerate(zip(levels, reversed(features), strict=True)):
            if number:
                x = F.interpolate(x, scale_factor=2)
            for block in blocks:
                x = block(x, guide)
        out = torch.tanh(self.to_rgb(F.leaky_relu(x, 0.2)).float())
        if not self.residual:
            return out
        face = image.float() + 2 * out
        return face if self.training else face.clamp(-1, 1)
