"""An image-to-image GAN: the discriminators see what was restored beside what it was restored from."""

from typing import Any

import torch
from torch import Tensor, nn

from rainrestore.models.networks.layers import enlarge
from rainrestore.models.restorers.base import build_slot
from rainrestore.models.restorers.fcg_gan import FCGGAN
from rainrestore.registry import MODELS


@MODELS.register_module()
class ConditionalGAN(FCGGAN):
    """:class:`FCGGAN` whose discriminators judge D(I, H), I enlarged to the size of H (pix2pix, Isola et al. 2017).

    The generator steps first; pix2pix lets the discriminator step first, which is the same but for the very first step.

    Args:
        contrastive_loss: config of a loss of H^, H and I, which pushes H^ away from I; None as in pix2pix.
        **slots: see :class:`FCGGAN`.
    """

    def __init__(self, contrastive_loss: dict | None = None, **slots: Any) -> None:
        super().__init__(**slots)
        self.contrastive_loss = build_slot(contrastive_loss)

    def picture_losses(self, face: Tensor, truth: Tensor, inputs: Tensor) -> dict[str, Tensor]:
        """As :class:`FCGGAN`'s, and the contrastive loss."""
        losses = super().picture_losses(face, truth, inputs)
        if self.contrastive_loss is not None:
            degraded = enlarge(inputs, face.shape[-2:])
            losses['loss_contrastive'] = self.contrastive_loss(face, truth, degraded)
        return losses

    def discriminate(self, discriminator: nn.Module, face: Tensor, inputs: Tensor) -> Any:
        """What D says of concat(I, H) (N, 6, H, W) in [-1, 1]."""
        return discriminator(self.pair(inputs, face))

    @staticmethod
    def pair(inputs: Tensor, face: Tensor) -> Tensor:
        """I (N, 3, h, w) and H (N, 3, H, W) in [0, 1] -> (N, 6, H, W) in [-1, 1]."""
        return torch.cat((enlarge(inputs, face.shape[-2:]), face), 1) * 2 - 1
