"""An image-to-image network as the generator."""

from collections.abc import Callable

import torch
from mmengine.model import BaseModule
from torch import Tensor

from rainrestore.models.networks.layers import crop_to, enlarge, pad_to_multiple
from rainrestore.registry import MODELS


@MODELS.register_module()
class ImageToImageGenerator(BaseModule):
    """H = N(enlarged I), for networks that do not enlarge, such as the U-Net of pix2pix.

    J and F, where their slots are filled, are enlarged and concatenated to I.

    Args:
        network: Config of N, without ``in_channels``: maps (N, in_channels, H, W) in [-1, 1] to (N, 3, H, W) in
            [-1, 1], its tanh included.
        scale: Enlargement.
        multiple: Divisor of the sides that N needs, 2 to the number of its halvings; other sides are padded.
        derained: Whether J enters beside I.
        parsing_channels: Channels of F; 0 where there is no parsing.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(
        self,
        network: dict,
        scale: int = 4,
        multiple: int = 1,
        derained: bool = False,
        parsing_channels: int = 0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.scale = scale
        self.multiple = multiple
        self.network = MODELS.build(dict(network, in_channels=(6 if derained else 3) + parsing_channels))

    def forward(self, rainy: Tensor, derained: Tensor | None = None, parsing: Tensor | None = None) -> Tensor:
        """I, J (N, 3, h, w) and F (N, parsing_channels, h, w), all in [0, 1] -> H (N, 3, s h, s w) in [0, 1]."""
        given = torch.cat([image for image in (rainy, derained, parsing) if image is not None], 1)
        return self.translate(self.network, given)

    def translate(self, network: Callable[..., Tensor], *given: Tensor) -> Tensor:
        """Pictures (N, in_channels, h, w) in [0, 1] as N takes them, to ``network`` and back: (N, 3, s h, s w)."""
        large = [enlarge(image, [self.scale * side for side in image.shape[-2:]]) for image in given]
        restored = network(*(pad_to_multiple(image, self.multiple) * 2 - 1 for image in large))
        return (crop_to(restored, large[0]).float() + 1) / 2
