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

    J and F, if their slots are filled, are enlarged and concatenated to I.

    Args:
        network: Config of N, without ``in_channels``. N maps (N, in_channels, H, W) in [-1, 1] to (N, 3, H, W) in
            [-1, 1].
        scale: Enlargement s.
        multiple: The image is padded so that its sides are multiples of this; 2^k for a network with k halvings.
        derained: Whether J is an input.
        parsing_channels: Channels of F; 0 without parsing.
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
        """Enlarge, pad and scale the inputs (N, in_channels, h, w) in [0, 1], apply ``network``, and undo the padding
        and scaling: (N, 3, s h, s w) in [0, 1]."""
        large = [enlarge(image, [self.scale * side for side in image.shape[-2:]]) for image in given]
        restored = network(*(pad_to_multiple(image, self.multiple) * 2 - 1 for image in large))
        return (crop_to(restored, large[0]).float() + 1) / 2
