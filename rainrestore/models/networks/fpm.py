"""FPM: the face parsing module (paper section 3.4)."""

from torch import Tensor

from rainrestore.models.networks.unet import UNet
from rainrestore.registry import MODELS


@MODELS.register_module()
class FaceParsingUNet(UNet):
    """F = P(concat(I, J)): the parsed face at low resolution, by a U-Net.

    Args:
        in_channels: 6 for I and J, 3 for I only (Face SR).
        out_channels: 19 for area-averaged one-hot labels (softmax), or 3 for a colour image (sigmoid).
        base_channels: Width of the finest level; it doubles at each of ``levels - 1`` halvings.
        levels: Number of resolutions, including the finest.
        activation: 'softmax' (the channels sum to 1) or 'sigmoid'.
        init_cfg: Initialization config of mmengine.

    Raises:
        ValueError: An unknown activation.
    """

    def __init__(
        self,
        in_channels: int = 6,
        out_channels: int = 19,
        base_channels: int = 16,
        levels: int = 4,
        activation: str = 'softmax',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, base_channels, levels, init_cfg=init_cfg)
        if activation not in ('softmax', 'sigmoid'):
            raise ValueError(f"activation must be 'softmax' or 'sigmoid', got {activation!r}")
        self.activation = activation

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Tensor:
        """(N, in_channels, h, w) in [0, 1] -> F (N, out_channels, h, w) in [0, 1]. Any sides."""
        logits = super().forward(image, condition)
        return logits.softmax(1) if self.activation == 'softmax' else logits.sigmoid()
