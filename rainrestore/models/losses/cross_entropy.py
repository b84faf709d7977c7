"""The adversarial loss of Goodfellow et al. (2014), which pix2pix uses."""

import torch
import torch.nn.functional as F
from torch import Tensor

from rainrestore.models.losses.adversarial import AdversarialLoss
from rainrestore.registry import MODELS


@MODELS.register_module()
class CrossEntropyAdversarialLoss(AdversarialLoss):
    """Cross-entropy of D = sigmoid(logits), for logits of any shape: one a picture, or one a patch (N, 1, h, w).

    Generator: loss_weight * mean -log D(H^), the form that does not saturate. Discriminator, halved as by Isola et al.
    (2017) so that it learns more slowly than the generator: (mean -log D(H) + mean -log(1 - D(H^))) / 2.

    A discriminator that overpowers the generator can be held back by its labels (Salimans et al. 2016): smoothed ones,
    so that being sure is an error, ``-t log D - (1 - t) log(1 - D)`` with t = 0.9 on true and 0.1 on restored pictures;
    or now and then the wrong one.

    Args:
        loss_weight: factor of the generator's loss.
        real_label: t of true pictures for the discriminator, in (0, 1].
        fake_label: t of restored pictures for the discriminator, in [0, 1).
        flip: probability that a picture is given the label of the other kind.

    Raises:
        ValueError: a label or a probability that is none.
    """

    def __init__(
        self, loss_weight: float = 1.0, real_label: float = 1.0, fake_label: float = 0.0, flip: float = 0.0
    ) -> None:
        super().__init__(loss_weight)
        if not 0 <= fake_label < real_label <= 1:
            raise ValueError(f'labels must be 0 <= fake_label < real_label <= 1, got {fake_label} and {real_label}')
        if not 0 <= flip < 0.5:
            raise ValueError(f'flip must be in [0, 0.5), got {flip}: half the labels wrong teach nothing')
        self.real_label = real_label
        self.fake_label = fake_label
        self.flip = flip

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of D(H^) -> a scalar."""
        return self.loss_weight * F.softplus(-fake_logits.float()).mean()

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of D(H) and D(H^) -> a scalar."""
        of_true = self._error(real_logits.float(), self.real_label, self.fake_label)
        return (of_true + self._error(fake_logits.float(), self.fake_label, self.real_label)) / 2

    def _error(self, logits: Tensor, label: float, other: float) -> Tensor:
        labels = torch.full((len(logits), *([1] * (logits.dim() - 1))), label, device=logits.device)
        if self.flip:
            labels = torch.where(torch.rand_like(labels) < self.flip, other, labels)
        # softplus(x) - t x = -t log sigmoid(x) - (1 - t) log(1 - sigmoid(x))
        return (F.softplus(logits) - labels * logits).mean()

    @staticmethod
    def slope(logits: Tensor) -> Tensor:
        """Mean of ``|d -log D / d logit|`` = 1 - D, at most 1: near 0 where D takes restored faces for true ones."""
        return (-logits.detach().float()).sigmoid().mean()
