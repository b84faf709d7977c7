"""Removal of raindrops on glass, with supervision by the drop mask and without a discriminator."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from rainrestore.models.restorers.base import BaseRestorer, Samples, build_slot
from rainrestore.registry import MODELS


@MODELS.register_module()
class RaindropRemover(BaseRestorer):
    """``L = L_pixel(H^, H) + L_pixel(I + M D^, H) + L_vgg(H^, H) + w BCE(M^, M)`` with ``H^ = I + M^ D^``.

    The second term trains D^ under the drops even if M^ is still wrong. w must be small: with w = 0.1 the shared layers
    learn only the mask, and H^ stays equal to I. :class:`~rainrestore.datasets.transforms.RaindropsOnGlass` writes the
    true mask M. Pairs of photos have no mask: with ``mask_weight=0``, the second and the last term are omitted.

    Args:
        generator: Config of a network that maps I to a :class:`~rainrestore.models.networks.raindrops.DropEstimate`.
        pixel_loss: Config of L_pixel.
        perceptual_loss: Config of L_vgg with its weight, or None.
        mask_weight: Factor w of the binary cross-entropy between M^ and M; 0 trains without M.
        **options: Arguments of :class:`BaseRestorer`.
    """

    def __init__(
        self,
        generator: dict,
        pixel_loss: dict,
        perceptual_loss: dict | None = None,
        mask_weight: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.generator = MODELS.build(generator)
        self.pixel_loss = MODELS.build(pixel_loss)
        self.perceptual_loss = build_slot(perceptual_loss)
        self.mask_weight = mask_weight

    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, H, W) in [0, 1] -> ``pred_img`` of the same shape, and ``drop_mask`` (N, 1, H, W) in (0, 1)."""
        estimate = self.generator(inputs)
        return {'pred_img': estimate.image.clamp(0, 1), 'drop_mask': estimate.mask_logits.sigmoid()}

    def losses(self, inputs: Tensor, data_samples: Samples) -> dict[str, Tensor]:
        """``loss_pixel``, ``loss_drops`` (the second term), ``loss_vgg`` and ``loss_mask``."""
        truth = self.truth(data_samples, 'gt_img')
        estimate = self.generator(inputs)
        losses = {'loss_pixel': self.pixel_loss(estimate.image, truth)}
        if self.perceptual_loss is not None:
            losses['loss_vgg'] = self.perceptual_loss(estimate.image, truth)
        if self.mask_weight:
            mask = self.drop_masks(data_samples)
            losses['loss_drops'] = self.pixel_loss(inputs + mask * estimate.difference, truth)
            losses['loss_mask'] = self.mask_weight * F.binary_cross_entropy_with_logits(estimate.mask_logits, mask)
        return losses

    def drop_masks(self, data_samples: Samples) -> Tensor:
        """M (N, 1, H, W) in [0, 1].

        Raises:
            KeyError: A sample has no mask.
        """
        try:
            return self.truth(data_samples, 'drop_mask')
        except KeyError as error:
            raise KeyError(f'{error.args[0]}; for pairs of photos without masks set mask_weight=0') from error
