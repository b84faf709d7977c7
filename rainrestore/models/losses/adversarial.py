"""Adversarial losses. A discriminator gives logits; the probability D is their sigmoid."""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn
from torch.autograd import Function

from rainrestore.registry import MODELS


class AdversarialLoss(nn.Module, ABC):
    """Base class for the slot ``adversarial_loss`` of a restorer.

    Args:
        loss_weight: Factor of the generator's loss.

    Attributes:
        relativistic: Whether the generator's loss needs the logits of true faces. :meth:`slope` then gets relative
            logits, each minus the mean of the other kind.
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
        """Mean size of the generator's gradient for logits of H^; near 0 the discriminator is saturated."""


@MODELS.register_module()
class LinearAdversarialLoss(AdversarialLoss):
    """The paper's linear losses on probabilities (eqs. 28-32), for one discriminator.

    Generator: loss_weight * mean (1 - D(H^)). Discriminator: mean (1 - D(H) + D(H^)).

    Both lie in [0, 2] and saturate: where D is certain, the sigmoid has no slope and neither network learns.
    Probabilities are in single precision; :meth:`slope` measures the remaining gradient.

    Args:
        loss_weight: Factor of the generator's loss; 1e-3 for the global discriminator, 1e-4 for each local one.
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
    """The mean of a value over the processes; the gradient is averaged likewise."""

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
    """Mean over the batch of all processes, which have equal shares of it and average their gradients."""
    mean = values.mean()
    return _MeanOfProcesses.apply(mean) if get_world_size() > 1 else mean


@MODELS.register_module()
class RelativisticAdversarialLoss(AdversarialLoss):
    """The relativistic average losses of ESRGAN (Wang et al. 2018, after Jolicoeur-Martineau 2018).

    A face is compared with the average of the other kind: with logits C, ``D(a, b) = sigmoid(C(a) - mean C(b))`` is the
    probability that a is more real than b. Means are over the batch, of all processes together::

        generator      loss_weight * (-mean log D(H^, H) - mean log (1 - D(H, H^)))
        discriminator               -mean log D(H, H^) - mean log (1 - D(H^, H))

    Logarithms are taken of the logits in single precision (softplus), so neither side overflows, and the generator
    keeps its gradient where the discriminator is certain. (ESRGAN's code halves both sums, its paper does not.)

    Args:
        loss_weight: Factor of the generator's loss; ESRGAN has 5e-3 beside a perceptual loss of weight 1.
    """

    relativistic = True

    def __init__(self, loss_weight: float = 5e-3) -> None:
        super().__init__(loss_weight)

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of H^ and H (N,), both needed -> a scalar."""
        if real_logits is None:
            raise ValueError('RelativisticAdversarialLoss: generator_loss needs the logits of true faces as well')
        return self.loss_weight * self.discriminator_loss(fake_logits, real_logits)

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of H and H^ (N,) -> a scalar."""
        real, fake = real_logits.float(), fake_logits.float()
        return F.softplus(batch_mean(fake) - real).mean() + F.softplus(fake - batch_mean(real)).mean()

    @staticmethod
    def slope(logits: Tensor) -> Tensor:
        """Mean of -d log D / dlogit = 1 - D, at most 1, of relative logits; near 0 restored faces pass as true."""
        return (1 - logits.detach().float().sigmoid()).mean()


@MODELS.register_module()
class CrossEntropyAdversarialLoss(AdversarialLoss):
    """Cross-entropy of D = sigmoid(logits), for logits of any shape: one a picture, or one a patch (N, 1, h, w).

    Generator: loss_weight * mean -log D(H^), the form that does not saturate. Discriminator, halved so that it learns
        more slowly than the generator (Isola et al. 2017): (mean -log D(H) + mean -log(1 - D(H^))) / 2.

    A discriminator that wins too easily can be held back by its labels (Salimans et al. 2016): smoothed labels, ``-t
    log D - (1 - t) log(1 - D)`` with t = 0.9 for true and 0.1 for restored pictures, or labels that are randomly
    flipped.

    Args:
        loss_weight: Factor of the generator's loss.
        real_label: T of true pictures for the discriminator, in (0, 1].
        fake_label: T of restored pictures for the discriminator, in [0, 1).
        flip: Probability that a picture is given the label of the other kind.

    Raises:
        ValueError: A label or a probability that is none.
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


@MODELS.register_module()
class HingeAdversarialLoss(AdversarialLoss):
    """The hinge loss (Lim & Ye 2017; SPADE, HiFaceGAN), for logits C of any shape.

    Generator: loss_weight * mean -C(H^). Discriminator: mean max(0, 1 - C(H)) + mean max(0, 1 + C(H^)).

    Args:
        loss_weight: Factor of the generator's loss.
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
        loss_weight: Factor of the generator's loss.
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
