"""The adversarial loss of Goodfellow et al. (2014), which pix2pix uses. For the contract see ``adversarial.py``."""

import torch.nn.functional as F
from torch import Tensor, nn

from rainrestore.registry import MODELS


@MODELS.register_module()
class CrossEntropyAdversarialLoss(nn.Module):
    """Cross-entropy of D = sigmoid(logits), for logits of any shape: one a picture, or one a patch (N, 1, h, w).

    Generator: loss_weight * mean -log D(H^), the form that does not saturate. Discriminator, halved as by Isola et al.
    (2017) so that it learns more slowly than the generator: (mean -log D(H) + mean -log(1 - D(H^))) / 2.

    Args:
        loss_weight: factor of the generator's loss.
    """

    relativistic = False

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of D(H^) -> a scalar."""
        return self.loss_weight * F.softplus(-fake_logits.float()).mean()

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of D(H) and D(H^) -> a scalar."""
        return (F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()) / 2

    @staticmethod
    def slope(logits: Tensor) -> Tensor:
        """Mean of ``|d -log D / d logit|`` = 1 - D, at most 1: near 0 where D takes restored faces for true ones."""
        return (-logits.detach().float()).sigmoid().mean()
