"""Pixel losses: mean squared error, rain reconstruction, rain parameters and parsing."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rainrestore.labels import LABEL_SHARES
from rainrestore.physics import RainEstimate
from rainrestore.physics import forward as rain_forward
from rainrestore.registry import MODELS

#: Lower bound of a probability, so that its logarithm is finite.
PROBABILITY_FLOOR = 1e-6

#: Added to the fraction f_c of a label, to bound the weight of very rare labels.
SHARE_FLOOR = 1e-3


@MODELS.register_module()
class MSELoss(nn.Module):
    """f_MSE(H, H^) = loss_weight * mean (H - H^)^2, over all pixels and channels (paper eq. 26).

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Two tensors of the same shape -> a scalar."""
        return self.loss_weight * F.mse_loss(prediction.float(), target.float())


@MODELS.register_module()
class RainReconstructionLoss(nn.Module):
    """L_R = f_MSE(J, J^) + f_MSE(I, I^) with I^ = T^ (J + S^) + (1 - T^) A^ (paper eqs. 18, 19).

    Eq. 19 uses the true J, so the second term trains S^, T^ and A^ only.

    Args:
        reconstruction_weight: Factor of the second term; 0 omits it (ablation).
        loss_weight: Factor of the sum.
        pixel_loss: Config of a loss in place of f_MSE, such as ``dict(type='mmagic.PSNRLoss')``, or None.
    """

    def __init__(
        self, reconstruction_weight: float = 1.0, loss_weight: float = 1.0, pixel_loss: dict | None = None
    ) -> None:
        super().__init__()
        self.pixel_loss = MSELoss() if pixel_loss is None else MODELS.build(pixel_loss)
        self.reconstruction_weight = reconstruction_weight
        self.loss_weight = loss_weight

    @staticmethod
    def reconstruct(estimate: RainEstimate, lr: Tensor) -> Tensor:
        """I^ of eq. 19 from the estimated S, T, A and the true J (N, 3, h, w)."""
        return rain_forward(lr, estimate.streak, estimate.transmission, estimate.airlight)

    def forward(self, estimate: RainEstimate, lr: Tensor, rainy: Tensor) -> dict[str, Tensor]:
        """The estimate, J and I (N, 3, h, w) in [0, 1] -> ``loss_lr`` and, unless its factor is 0, ``loss_rainy``."""
        losses = {'loss_lr': self.loss_weight * self.pixel_loss(estimate.lr, lr)}
        if self.reconstruction_weight:
            factor = self.loss_weight * self.reconstruction_weight
            losses['loss_rainy'] = factor * self.pixel_loss(self.reconstruct(estimate, lr), rainy)
        return losses


@MODELS.register_module()
class RainParameterLoss(nn.Module):
    """w_S f_MSE(S, S^) + w_T f_MSE(T, T^) + w_A f_MSE(A, A^): supervision by synthetic rain, not in the paper.

    The optional term w_G (f_L1(dT/dx, dT^/dx) + f_L1(dT/dy, dT^/dy)), of the differences between neighbouring pixels,
    makes T^ as smooth as T (Li, Cheong & Tan 2019).

    Args:
        streak, transmission, airlight: The factors w_S, w_T and w_A; 0 omits the term.
        transmission_gradient: w_G; 0 omits the term.
    """

    def __init__(
        self, streak: float = 1.0, transmission: float = 1.0, airlight: float = 1.0, transmission_gradient: float = 0.0
    ) -> None:
        super().__init__()
        self.weights = {'streak': streak, 'transmission': transmission, 'airlight': airlight}
        self.transmission_gradient = transmission_gradient

    def forward(self, estimate: RainEstimate, **truth: Tensor) -> dict[str, Tensor]:
        """The estimate and the true ``streak``, ``transmission`` and ``airlight`` of equal shapes -> one loss each."""
        losses = {
            f'loss_{name}': weight * F.mse_loss(getattr(estimate, name), truth[name])
            for name, weight in self.weights.items()
            if weight
        }
        if self.transmission_gradient:
            error = estimate.transmission - truth['transmission']
            slope = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
            losses['loss_transmission_gradient'] = self.transmission_gradient * slope
        return losses


@MODELS.register_module()
class ParsingLoss(nn.Module):
    """L_F = f_MSE(F, F^) over the channels whose labels the data set annotates (paper eq. 22).

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, prediction: Tensor, target: Tensor, annotated: Tensor) -> Tensor:
        """F^ and F (N, C, h, w) in [0, 1], ``annotated`` (N, C) bool -> a scalar, the mean over annotated channels.

        It is 0 if no channel is annotated.
        """
        per_channel = (prediction - target).square().mean((2, 3))
        return self.loss_weight * (per_channel * annotated).sum() / annotated.sum().clamp_min(1)


@MODELS.register_module()
class ParsingCrossEntropyLoss(ParsingLoss):
    """L_F = loss_weight * mean over pixels of -sum_c w_c F_c log Q_c, Q_c = w_c F^_c / sum_k w_k F^_k.

    c and k run over the annotated labels, because F is unknown for the other labels. Pixels without an annotated label
    and faces without a mask do not contribute. F is an area average of one-hot labels, so the target is soft. This
    alternative to :class:`ParsingLoss` is not in the paper.

    The eyes cover 0.4 % of a face. With equal weights the loss hardly changes if a parser never predicts them.
    Therefore ``label_shares`` weights label c by ``w_c = 1 / sqrt(f_c + 1e-3)``, scaled to ``sum_c w_c f_c = 1``. The
    weights in Q (logit adjustment, Menon et al. 2021) keep F^ calibrated: the loss has its minimum at F^ = F. With
    weights only in front of the logarithm, the minimum is at F^ proportional to w F, and the argmax predicts eyes that
    are too large.

    Args:
        loss_weight: Factor of the loss.
        label_shares: Fraction f_c of the pixels of each label in the training set: C values in [0, 1]
            (``tools/dataset_converters/label_shares.py`` computes them), or ``'celebamask_hq'``. None: all weights 1.

    Raises:
        ValueError: ``label_shares`` is an unknown name, contains a value outside [0, 1], or only zeros.
    """

    weights: Tensor | None

    def __init__(self, loss_weight: float = 1.0, label_shares: Sequence[float] | str | None = None) -> None:
        super().__init__(loss_weight)
        weights = None
        if isinstance(label_shares, str):
            if label_shares not in LABEL_SHARES:
                raise ValueError(f'label_shares must be numbers or one of {list(LABEL_SHARES)}, got {label_shares!r}')
            label_shares = LABEL_SHARES[label_shares]
        if label_shares is not None:
            shares = torch.tensor(label_shares, dtype=torch.float64)
            if shares.min() < 0 or shares.max() > 1 or not shares.any():
                raise ValueError(f'label_shares must be in [0, 1] and not all 0, got {list(label_shares)}')
            weights = (shares + SHARE_FLOOR).rsqrt()
            weights = (weights / (weights * shares).sum()).float()
        self.register_buffer('weights', weights, persistent=False)

    def forward(self, prediction: Tensor, target: Tensor, annotated: Tensor) -> Tensor:
        """F^ in (0, 1], F in [0, 1] (N, C, h, w), ``annotated`` (N, C) bool -> a scalar; 0 without annotated labels."""
        known = annotated[:, :, None, None]
        target = torch.where(known, target, 0)
        weighted = prediction.float() if self.weights is None else prediction.float() * self.weights[:, None, None]
        share = torch.where(known, weighted, 0).clamp_min(PROBABILITY_FLOOR)
        # The softmax in cross_entropy normalises w F^ to Q.
        per_pixel = F.cross_entropy(share.log(), target, self.weights, reduction='none')
        labelled = (target.sum(1) > 0).sum()
        return self.loss_weight * per_pixel.sum() / labelled.clamp_min(1)
