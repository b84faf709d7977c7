"""Losses of discriminators that judge patches and lend their features."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rainrestore.models.losses.adversarial import AdversarialLoss
from rainrestore.registry import MODELS


@MODELS.register_module()
class HingeAdversarialLoss(AdversarialLoss):
    """The hinge loss (Lim & Ye 2017; SPADE, HiFaceGAN), for logits C of any shape.

    Generator: loss_weight * mean -C(H^). Discriminator: mean max(0, 1 - C(H)) + mean max(0, 1 + C(H^)).

    Args:
        loss_weight: factor of the generator's loss.
    """

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of H^ -> a scalar."""
        return -self.loss_weight * fake_logits.float().mean()

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of H and H^ -> a scalar."""
        return F.relu(1 - real_logits.float()).mean() + F.relu(1 + fake_logits.float()).mean()

    @staticmethod
    def slope(logits: Tensor) -> Tensor:
        """1: the generator's gradient does not depend on how sure the discriminator is."""
        return torch.ones((), device=logits.device)


@MODELS.register_module()
class LeastSquaresAdversarialLoss(AdversarialLoss):
    """The least-squares loss (LSGAN, Mao et al. 2017), for logits C of any shape.

    Generator: loss_weight * mean (C(H^) - 1)^2. Discriminator: (mean (C(H) - 1)^2 + mean C(H^)^2) / 2.

    Args:
        loss_weight: factor of the generator's loss.
    """

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of H^ -> a scalar."""
        return self.loss_weight * (fake_logits.float() - 1).square().mean()

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of H and H^ -> a scalar."""
        return ((real_logits.float() - 1).square().mean() + fake_logits.float().square().mean()) / 2

    @staticmethod
    def slope(logits: Tensor) -> Tensor:
        """Mean of ``2 |C(H^) - 1|``: near 0 where the discriminator takes the restored faces for true ones."""
        return 2 * (logits.detach().float() - 1).abs().mean()


@MODELS.register_module()
class FeatureMatchingLoss(nn.Module):
    """The restored picture should look the same to the discriminator's layers as the true one (pix2pixHD).

    ``loss_weight * sum over layers of mean |phi_l(H) - phi_l(H^)|``, averaged over the scales. The logits are left out:
    they are the adversarial loss's.

    Args:
        loss_weight: factor, 10 as published.
    """

    def __init__(self, loss_weight: float = 10.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
        """The outputs of every layer at every scale, for H^ and H, the logits last -> a scalar."""
        scales = [
            torch.stack([F.l1_loss(a.float(), b.detach().float()) for a, b in zip(one[:-1], other[:-1], strict=True)])
            for one, other in zip(fake, real, strict=True)
        ]
        return self.loss_weight * torch.stack([layers.sum() for layers in scales]).mean()
