"""Adversarial losses. The outputs of a discriminator are logits C, any real numbers.

The probability D is the sigmoid of C. The hinge and the least-squares loss use C itself.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from torch import Tensor, nn

from rainrestore.registry import MODELS


class AdversarialLoss(nn.Module, ABC):
    """Base class for the slot ``adversarial_loss`` of a restorer.

    Args:
        loss_weight: Factor of the generator's loss.

    Attributes:
        relativistic: Whether the generator's loss needs the logits of true faces. The input of :meth:`slope` is then
            relative: logits minus the mean logit of the other kind.
    """

    relativistic = False

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    @abstractmethod
    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of H^ and, if ``relativistic``, of H -> a scalar."""

    @abstractmethod
    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of H and H^ -> a scalar."""

    @staticmethod
    def probability(logits: Tensor) -> Tensor:
        """The probability that an image is true, of the logits' shape, for the training log; no gradient."""
        return logits.detach().float().sigmoid()

    @staticmethod
    @abstractmethod
    def slope(logits: Tensor) -> Tensor:
        """Mean absolute derivative of the generator's loss, without ``loss_weight``, by the logits of H^.

        Near 0 the generator gets no gradient.
        """


@MODELS.register_module()
class LinearAdversarialLoss(AdversarialLoss):
    """The paper's linear losses on probabilities (eqs. 28-32), for one discriminator.

    Generator: loss_weight * mean (1 - D(H^)). Discriminator: mean (1 - D(H) + D(H^)).

    The losses saturate: if D is near 0 or 1, the slope of the sigmoid is near 0 and neither network learns.
    Probabilities are in single precision. :meth:`slope` measures the remaining gradient.

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
        """Mean of dD/dlogit = D (1 - D), at most 0.25; near 0 the generator gets no gradient."""
        probability = logits.detach().float().sigmoid()
        return (probability * (1 - probability)).mean()


def batch_mean(values: Tensor) -> Tensor:
    """Mean over the batch of all processes; each process has the same number of samples."""
    if get_world_size() == 1:
        return values.mean()
    # A torch without distributed training lacks this module. The backward pass adds the gradients of the processes.
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(values.mean()) / get_world_size()


@MODELS.register_module()
class RelativisticAdversarialLoss(AdversarialLoss):
    """The relativistic average losses of ESRGAN (Wang et al. 2018, after Jolicoeur-Martineau 2018).

    A face is compared with the average of the other kind: with logits C, ``D(a, b) = sigmoid(C(a) - mean C(b))`` is the
    probability that a is more realistic than an average b. The mean in D is over the batches of all processes::

        generator      loss_weight * (-mean log D(H^, H) - mean log (1 - D(H, H^)))
        discriminator               -mean log D(H, H^) - mean log (1 - D(H^, H))

    The logarithms are computed from the logits in single precision (softplus), so they do not overflow. The gradient of
    the generator does not vanish if the discriminator is certain, where D(H^, H) is near 0. ESRGAN's code halves both
    sums, its paper does not.

    Args:
        loss_weight: Factor of the generator's loss. ESRGAN uses 5e-3 with a perceptual loss of weight 1.
    """

    relativistic = True

    def __init__(self, loss_weight: float = 5e-3) -> None:
        super().__init__(loss_weight)

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of H^ and H (N,), both required -> a scalar."""
        if real_logits is None:
            raise ValueError('RelativisticAdversarialLoss: generator_loss needs the logits of true faces, too')
        return self.loss_weight * self.discriminator_loss(fake_logits, real_logits)

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of H and H^ (N,) -> a scalar."""
        real, fake = real_logits.float(), fake_logits.float()
        return F.softplus(batch_mean(fake) - real).mean() + F.softplus(fake - batch_mean(real)).mean()

    @staticmethod
    def slope(logits: Tensor) -> Tensor:
        """Mean of ``|d -log D / d logit|`` = 1 - D for D = D(H^, H), at most 1, of the first term of the loss.

        Near 0 the discriminator classifies restored faces as more realistic than true ones.
        """
        return (1 - logits.detach().float().sigmoid()).mean()


@MODELS.register_module()
class CrossEntropyAdversarialLoss(AdversarialLoss):
    """Cross-entropy of D = sigmoid(logits), for one logit per image (N,) or per patch (N, 1, h, w).

    Generator, in the non-saturating form: loss_weight * mean -log D(H^). Discriminator, halved so that it learns more
    slowly than the generator (Isola et al. 2017): (mean -log D(H) + mean -log(1 - D(H^))) / 2.

    Two options slow down a discriminator that is too strong: smoothed labels t (Salimans et al. 2016), with the loss
    ``-t log D - (1 - t) log(1 - D)`` and, for example, t = 0.9 for true and 0.1 for restored images; and randomly
    flipped labels. Without them, t is 1 and 0.

    Args:
        loss_weight: Factor of the generator's loss.
        real_label: t of true images for the discriminator, in (0, 1].
        fake_label: t of restored images for the discriminator, in [0, 1).
        flip: Probability that an image gets the label of the other kind, in [0, 0.5).

    Raises:
        ValueError: Labels or a probability outside their ranges.
    """

    def __init__(
        self, loss_weight: float = 1.0, real_label: float = 1.0, fake_label: float = 0.0, flip: float = 0.0
    ) -> None:
        super().__init__(loss_weight)
        if not 0 <= fake_label < real_label <= 1:
            raise ValueError(f'labels must be 0 <= fake_label < real_label <= 1, got {fake_label} and {real_label}')
        if not 0 <= flip < 0.5:
            raise ValueError(f'flip must be in [0, 0.5), got {flip}: with 0.5 the labels contain no information')
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
        """Mean of ``|d -log D / d logit|`` = 1 - D, at most 1; near 0 if D classifies restored faces as true."""
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
        """1: the generator's gradient does not depend on the logit."""
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
    def probability(logits: Tensor) -> Tensor:
        """The logits between 0 and 1: the best discriminator is the probability itself (Mao et al., eq. 5)."""
        return logits.detach().float().clamp(0, 1)

    @staticmethod
    def slope(logits: Tensor) -> Tensor:
        """Mean of ``2 |C(H^) - 1|``; near 0 if the discriminator classifies restored faces as true."""
        return 2 * (logits.detach().float() - 1).abs().mean()
