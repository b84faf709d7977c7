"""The networks of Heavy Rain Image Restoration (Li, Cheong & Tan, CVPR 2019)."""

from typing import cast

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from rainrestore.models.networks.layers import enlarge, leaky_convolutions
from rainrestore.models.networks.unet import UNet
from rainrestore.physics import RainEstimate, invert
from rainrestore.registry import MODELS


class _Bottleneck(nn.Module):
    """relu(x + f(x)), f: three 3x3 convolutions with ReLU between them, at a quarter of the width inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 4)
        self.body = nn.Sequential(
            nn.Conv2d(channels, inner, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(inner, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.body(x)).relu()


@MODELS.register_module()
class StreakNet(BaseModule):
    """The streak network: a 3x3 convolution, residual blocks, a 3x3 convolution to S, all at full resolution.

    Args:
        in_channels: Channels of concat(I, high frequencies).
        channels: Width, 256 in the original.
        num_blocks: Number of residual blocks.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(self, in_channels: int, channels: int = 32, num_blocks: int = 3, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, padding=1),
            nn.ReLU(),
            *(_Bottleneck(channels) for _ in range(num_blocks)),
            nn.Conv2d(channels, 3, 3, padding=1),
        )
        # Rain is sparse: the initial S is about 0.05 instead of 0.5.
        nn.init.constant_(cast(Tensor, self.layers[-1].bias), -3.0)

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_channels, H, W), any sides -> logits of S (N, 3, H, W)."""
        return self.layers(image)


@MODELS.register_module()
class AirlightNet(BaseModule):
    """The airlight, one colour per image: ``levels`` 3x3 convolutions with stride 2, global average, a linear layer.

    Without normalisation layers, because they would remove the brightness, which A depends on.

    Args:
        in_channels: Channels of concat(I, low frequencies).
        base_channels: Width of the first convolution, 64 in the original; it doubles from layer to layer.
        levels: Number of convolutions, 5 in the original.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(
        self, in_channels: int, base_channels: int = 16, levels: int = 4, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        widths = [base_channels * 2**level for level in range(levels)]
        self.features = nn.Sequential(*leaky_convolutions(in_channels, [(width, 2) for width in widths]))
        self.head = nn.Linear(widths[-1], 3)

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_channels, H, W), any sides -> logits of A (N, 3, 1, 1)."""
        return self.head(self.features(image).mean((2, 3)))[:, :, None, None]


@MODELS.register_module()
class HeavyRainEstimator(BaseModule):
    """The estimator of the first stage: S, T and A of the enlarged input, and the inverse J0 of the rain model.

        S = s(I, high)    T = t(I, low)    A = a(I, low)    J0 = (I - (1 - T) A) / max(T, floor) - S

    The published method does not enlarge, so here it works on I resized to the size of the output. The bicubic
    enlargement U is linear and T is (nearly) uniform: U(I) = T (U(J) + U(S)) + (1 - T) A. The true maps, enlarged by U,
    are therefore the ground truth of the enlarged image. Supervision at low resolution only would not constrain the
    maps between the pixels. :meth:`at_low_resolution` samples the estimate at the pixels of I.

    The original divides by T + 1e-3 and does not clip. Here :func:`rainrestore.physics.invert` bounds the effect of a
    wrong T early in training.

    Args:
        decomposition: Config of :class:`GuidedFilterDecomposition`, or of a module with the same outputs.
        streak: Config of s without ``in_channels``; its output are 3 logits per pixel.
        transmission: Config of t without ``in_channels``; its output is 1 logit per pixel.
        airlight: Config of a without ``in_channels``; its output are 3 logits per image.
        scale: Enlargement s.
        floor: Lower bound of the divisor T; T is above 0.3 in ``rain_v1``.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(
        self,
        decomposition: dict,
        streak: dict,
        transmission: dict,
        airlight: dict,
        scale: int = 4,
        floor: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.decomposition = MODELS.build(decomposition)
        width = 3 + self.decomposition.out_channels
        self.streak = MODELS.build(dict(streak, in_channels=width))
        self.transmission = MODELS.build(dict(transmission, in_channels=width))
        self.airlight = MODELS.build(dict(airlight, in_channels=width))
        self.scale = scale
        self.floor = floor

    def decompose(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """I (N, 3, h, w) in [0, 1] -> I enlarged, concat(I, low) and concat(I, high), all s h x s w."""
        rainy = enlarge(image, [self.scale * side for side in image.shape[-2:]])
        low, high = self.decomposition(rainy)
        return rainy, torch.cat((rainy, low), 1), torch.cat((rainy, high), 1)

    def transmission_of(self, image: Tensor) -> Tensor:
        """I (N, 3, h, w) in [0, 1] -> T (N, 1, s h, s w)."""
        return self.transmission(self.decompose(image)[1]).float().sigmoid()

    def forward(self, image: Tensor) -> RainEstimate:
        """I (N, 3, h, w) in [0, 1], any sides -> J0, S, T of s h x s w, and A."""
        rainy, low, high = self.decompose(image)
        logits = self.streak(high), self.transmission(low), self.airlight(low)
        streak, transmission, airlight = (x.float().sigmoid() for x in logits)
        return RainEstimate(invert(rainy, streak, transmission, airlight, self.floor), streak, transmission, airlight)

    def at_low_resolution(self, estimate: RainEstimate, image: Tensor) -> RainEstimate:
        """S and T at the centres of the pixels of I (N, 3, h, w), and J computed from them and I.

        Bicubic sampling at the centres of the pixels inverts the bicubic enlargement. An average over each pixel would
        blur the streaks by 10 %.
        """
        size, airlight = image.shape[-2:], estimate.airlight
        large = estimate.streak, estimate.transmission
        streak, transmission = (F.interpolate(x, size, mode='bicubic').clamp(0, 1) for x in large)
        return RainEstimate(invert(image, streak, transmission, airlight, self.floor), streak, transmission, airlight)


@MODELS.register_module()
class RefinementUNet(UNet):
    """The generator of the second stage: a U-Net that maps J0, and the airlight A at its bottleneck, to H.

    Args:
        base_channels: Width of the finest level; 64 in the original, with a greatest width of 512.
        levels: Number of resolutions; 5 in the original.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(self, base_channels: int = 16, levels: int = 5, init_cfg: dict | None = None) -> None:
        super().__init__(3, 3, base_channels, levels, condition_channels=3, init_cfg=init_cfg)

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Tensor:
        """J0 (N, 3, H, W), any sides, and A (N, 3, 1, 1), in [0, 1] -> H (N, 3, H, W) in [0, 1]."""
        return super().forward(image, condition).sigmoid()


@MODELS.register_module()
class DepthGuidedDiscriminator(BaseModule):
    """A depth-guided discriminator: it predicts a depth map and multiplies its features by the map.

    Six 5x5 convolutions; a 5x5 convolution to the map, which multiplies the features; two convolutions with stride 4,
    global average and a linear layer to the logit. The restorer supervises the map: the target is 1 - T for restored
    images and 0 for true images.

    Differences from the original, which has full resolution up to the map, no pooling (so it accepts only 256 x 256)
    and an unbounded map: the 2nd and the 4th convolution halve the sides, and the map is a sigmoid.

    Args:
        in_channels: Channels of concat(I, H).
        base_channels: Width of the first convolution; 8 in the original.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(self, in_channels: int = 6, base_channels: int = 8, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        strides = (1, 2, 1, 2, 1, 1)
        layers = [(factor * base_channels, stride) for factor, stride in zip((1, 2, 4, 8, 8, 8), strides, strict=True)]
        self.features = nn.Sequential(*leaky_convolutions(in_channels, layers, kernel=5))
        width = 8 * base_channels
        self.depth = nn.Conv2d(width, 1, 5, padding=2)
        self.classifier = nn.Sequential(*leaky_convolutions(width, [(width, 4), (width // 2, 4)], kernel=5))
        self.head = nn.Linear(width // 2, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, in_channels, H, W), any sides -> logits (N,) and the depth map (N, 1, ~H/4, ~W/4) in [0, 1]."""
        features = self.features(image)
        depth = self.depth(features).float().sigmoid()
        pooled = self.classifier(features * depth.to(features.dtype)).mean((2, 3))
        # Half precision would round the logit, as in SRGANDiscriminator.
        with torch.autocast(image.device.type, enabled=False):
            return self.head(pooled.float()).squeeze(1), depth
