"""An image-to-image GAN; the input of its discriminator are the restored and the degraded image."""

from typing import Any

import torch
from torch import Tensor, nn

from rainrestore.models.networks.layers import enlarge
from rainrestore.models.restorers.adversarial import AdversarialRestorer
from rainrestore.models.restorers.base import build_slot
from rainrestore.registry import MODELS


@MODELS.register_module()
class ConditionalGAN(AdversarialRestorer):
    """The discriminator computes D(I, H), with I enlarged to the size of H (pix2pix, Isola et al. 2017).

    The generator steps before the discriminator; in pix2pix after it. Only the first step differs.

    Args:
        contrastive_loss: Config of a loss of H^, H and I that increases the distance of H^ from I; None as in pix2pix.
        **slots: Arguments of :class:`AdversarialRestorer`.
    """

    def __init__(self, contrastive_loss: dict | None = None, **slots: Any) -> None:
        super().__init__(**slots)
        self.contrastive_loss = build_slot(contrastive_loss)

    def image_losses(self, face: Tensor, truth: Tensor, inputs: Tensor) -> dict[str, Tensor]:
        """The losses of :class:`AdversarialRestorer`, and ``loss_contrastive``."""
        losses = super().image_losses(face, truth, inputs)
        if self.contrastive_loss is not None:
            losses['loss_contrastive'] = self.contrastive_loss(face, truth, enlarge(inputs, face.shape[-2:]))
        return losses

    def discriminate(self, discriminator: nn.Module, face: Tensor, inputs: Tensor) -> Any:
        """The output of the discriminator for concat(I, H) (N, 6, H, W) in [-1, 1]."""
        return discriminator(self.pair(inputs, face))

    @staticmethod
    def pair(inputs: Tensor, face: Tensor) -> Tensor:
        """I (N, 3, h, w) and H (N, 3, H, W) in [0, 1] -> (N, 6, H, W) in [-1, 1]."""
        return torch.cat((enlarge(inputs, face.shape[-2:]), face), 1) * 2 - 1
