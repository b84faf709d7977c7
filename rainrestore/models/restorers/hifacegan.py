"""HiFaceGAN: face renovation without a degradation model and without a face prior (Yang et al., ACM MM 2020)."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from rainrestore.models.restorers.base import build_slot
from rainrestore.models.restorers.conditional_gan import ConditionalGAN
from rainrestore.registry import MODELS


@MODELS.register_module()
class HiFaceGAN(ConditionalGAN):
    """:class:`ConditionalGAN` with a multi-scale discriminator and feature matching.

    The generator minimises, averaged over the scales of D (``MultiScalePatchDiscriminator``)::

        adversarial(D(I, H^)) + 10 sum_l |phi_l(I, H) - phi_l(I, H^)| + vgg(H, H^)

    and the discriminator its adversarial loss, hinge as published. There is no ``pixel_loss``.

    Args:
        feature_loss: Config of the feature matching loss, or None.
        **slots: Arguments of :class:`ConditionalGAN`.
    """

    def __init__(self, feature_loss: dict | None = None, **slots: Any) -> None:
        super().__init__(**slots)
        self.feature_loss = build_slot(feature_loss if self.discriminator is not None else None)

    def needs_real_logits(self, adversarial: Any) -> bool:
        """True with feature matching, or for a relativistic loss."""
        return self.feature_loss is not None or super().needs_real_logits(adversarial)

    def generator_terms(self, adversarial: Any, fake: Any, real: Any) -> dict[str, Tensor]:
        """The adversarial loss, averaged over the scales, and feature matching."""
        beside = [None] * len(fake) if real is None else [scale[-1] for scale in real]
        scales = [adversarial.generator_loss(a[-1], b) for a, b in zip(fake, beside, strict=True)]
        terms = {'adv': torch.stack(scales).mean()}
        if self.feature_loss is not None:
            terms['feature'] = self.feature_loss(fake, real)
        return terms

    def logits(self, output: Any) -> Tensor:
        """The logits of the finest scale, for the log."""
        return output[0][-1]

    def discriminator_loss(self, adversarial: Any, real: Any, fake: Any, inputs: Tensor) -> Tensor:
        """The adversarial loss, averaged over the scales."""
        scales = [adversarial.discriminator_loss(a[-1], b[-1]) for a, b in zip(real, fake, strict=True)]
        return torch.stack(scales).mean()

    @torch.no_grad()
    def mixed_guidance(self, first: Tensor, rest: Tensor, levels: int) -> Tensor:
        """Restore with the ``levels`` coarsest levels modulated by ``first`` and the other levels by ``rest``.

        Args:
            first: (N, 3, h, w) in [0, 1].
            rest: The same size.
            levels: 0 to the network's ``levels`` + 1.

        Returns:
            (N, 3, s h, s w) in [0, 1].
        """
        generator: Any = self.generator
        return generator.translate(partial(generator.network.mixed_guidance, levels=levels), first, rest)
