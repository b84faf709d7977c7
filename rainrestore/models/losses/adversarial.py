"""Adversarial losses. A discriminator gives logits; the probability D is their sigmoid."""

from abc import ABC, abstractmethod
from typing import Any

import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn
from torch.autograd import Function

from rainrestore.registry import MODELS


class AdversarialLoss(nn.Module, ABC):
    """What fills a restorer's slot ``adversarial_loss``.

    Args:
        loss_weight: factor of the generator's loss.

    Attributes:
        relativistic: whether the generator's loss needs the logits of true faces, and :meth:`slope` gets relative
            ones, each less the mean of the other side's.
    """

    relativistic = False

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    @abstractmethod
    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of H^ and, where ``relativistic``, of H -> a scalar."""

    @abstractmethod
    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of H and H^ -> a scalar."""

    @staticmethod
    @abstractmethod
    def slope(logits: Tensor) -> Tensor:
        """How much gradient the generator still gets from logits of H^; near 0 one side has won."""


@MODELS.register_module()
class LinearAdversarialLoss(AdversarialLoss):
    """The paper's linear losses on probabilities (eqs. 28-32), for one discriminator.

    Generator: loss_weight * mean (1 - D(H^)). Discriminator: mean (1 - D(H) + D(H^)).

    Both lie in [0, 2] and saturate: where D is sure, its sigmoid has no slope and neither player learns. Probabilities
    are taken in single precision, and :meth:`slope` says how much gradient is left.

    Args:
        loss_weight: factor of the generator's loss; 1e-3 for the global discriminator, 1e-4 for each local one.
    """

    def __init__(self, loss_weight: float = 1e-3) -> None:
        super().__init__(loss_weight)

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


class _MeanOfProcesses(Function):
    """The mean of the processes' values; its gradient is the mean of what they all make of it."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        value = value.clone()
        all_reduce(value, 'mean')
        return value

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        all_reduce(gradient, 'mean')
        return gradient


def batch_mean(values: Tensor) -> Tensor:
    """Mean over the whole batch, where several processes have equal shares of it and their gradients are averaged."""
    mean = values.mean()
    return _MeanOfProcesses.apply(mean) if get_world_size() > 1 else mean


@MODELS.register_module()
class RelativisticAdversarialLoss(AdversarialLoss):
    """The relativistic average losses of ESRGAN (Wang et al. 2018, after Jolicoeur-Martineau 2018).

    A face is judged beside the average of the other kind: with logits C, ``D(a, b) = sigmoid(C(a) - mean C(b))`` is the
    probability that a is more real than b. Means are over the batch, of all processes together::

        generator      loss_weight * (-mean log D(H^, H) - mean log (1 - D(H, H^)))
        discriminator               -mean log D(H, H^) - mean log (1 - D(H^, H))

    Logarithms are taken of the logits in single precision (softplus), so neither side overflows, and the generator
    keeps its gradient where the discriminator is sure. (ESRGAN's code halves both sums, its paper does not.)

    Args:
        loss_weight: factor of the generator's loss; ESRGAN has 5e-3 beside a perceptual loss of weight 1.
    """

    relativistic = True

    def __init__(self, loss_weight: float = 5e-3) -> None:
        super().__init__(loss_weight)

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of H^ and H (N,), both needed -> a scalar."""
        if real_logits is None:
            raise ValueError('RelativisticAdversarialLoss compares: generator_loss needs the logits of true faces, too')
        return self.loss_weight * self.discriminator_loss(fake_logits, real_logits)

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of H and H^ (N,) -> a scalar."""
        real, fake = real_logits.float(), fake_logits.float()
        return F.softplus(batch_mean(fake) - real).mean() + F.softplus(fake - batch_mean(real)).mean()

    @staticmethod
    def slope(logits: Tensor) -> Tensor:
        """Mean of -d log D / dlogit = 1 - D, at most 1, of relative logits; near 0 the restored faces have won."""
        return (1 - logits.detach().float().sigmoid()).mean()
