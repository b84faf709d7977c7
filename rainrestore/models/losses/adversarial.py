"""Adversarial losses. A discriminator gives logits; the probability D is their sigmoid.

The contract of the slot: ``generator_loss(fake_logits, real_logits)``, ``discriminator_loss(real_logits, fake_logits)``
and ``slope(logits)``; only where ``relativistic`` is True are the real logits computed for the generator, else None.
"""

from torch import Tensor, nn

from rainrestore.registry import MODELS


@MODELS.register_module()
class LinearAdversarialLoss(nn.Module):
    """The paper's linear losses on probabilities (eqs. 28-32), for one discriminator.

    Generator: loss_weight * mean (1 - D(H^)). Discriminator: mean (1 - D(H) + D(H^)).

    Both lie in [0, 2] and saturate: where D is sure, its sigmoid has no slope and neither player learns. Probabilities
    are taken in single precision, and :meth:`slope` says how much gradient is left.

    Args:
        loss_weight: factor of the generator's loss; 1e-3 for the global discriminator, 1e-4 for each local one.
    """

    relativistic = False

    def __init__(self, loss_weight: float = 1e-3) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of D(H^) (N,) -> a scalar."""
        return self.loss_weight * (1 - fake_logits.float().sigmoid()).mean()

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of D(H) and D(H^) (N,) -> a scalar."""
        return (1 - real_logits.float().sigmoid() + fake_logits.float().sigmoid()).mean()

    @staticmethod
    def slope(logits: Tensor) -> Tensor:
        """Mean of dD/dlogit = D (1 - D), at most 0.25; near 0 the discriminator gives no gradient."""
        probability = logits.detach().float().sigmoid()
        return (probability * (1 - probability)).mean()
