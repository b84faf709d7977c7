"""Heavy Rain Image Restoration (Li, Cheong & Tan, CVPR 2019) in its two stages, on the input resized to the output."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rainrestore.models.losses.adversarial import AdversarialLoss
from rainrestore.models.losses.pixel import RainParameterLoss
from rainrestore.models.networks.layers import enlarge
from rainrestore.models.restorers.adversarial import Step
from rainrestore.models.restorers.base import BaseRestorer, Samples, build_slot
from rainrestore.models.restorers.conditional_gan import ConditionalGAN
from rainrestore.models.restorers.rain_removal import estimate_outputs
from rainrestore.physics import RainEstimate
from rainrestore.registry import MODELS


def parameter_losses(
    restorer: BaseRestorer, loss: RainParameterLoss, estimate: RainEstimate, data_samples: Samples
) -> dict[str, Tensor]:
    """Losses of S^, T^ and A^ against the true maps, enlarged like the input (see ``HeavyRainEstimator``)."""
    size = estimate.streak.shape[-2:]
    streak, transmission = (enlarge(restorer.truth(data_samples, key), size) for key in ('streak', 'transmission'))
    airlight = restorer.truth(data_samples, 'airlight')
    return loss(estimate, streak=streak, transmission=transmission, airlight=airlight)


@MODELS.register_module()
class HeavyRainRemover(BaseRestorer):
    """Stage 1: train S, T and A with their mean squared errors and a gradient term on T.

    Args:
        rain_removal: Config of a ``HeavyRainEstimator``.
        parameter_loss: Config of a :class:`~rainrestore.models.losses.RainParameterLoss`.
        **options: Arguments of :class:`BaseRestorer`.
    """

    def __init__(self, rain_removal: dict, parameter_loss: dict, **options: Any) -> None:
        super().__init__(**options)
        self.rain_removal = MODELS.build(rain_removal)
        self.parameter_loss = MODELS.build(parameter_loss)

    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, h, w) -> ``lr_img``, ``streak``, ``transmission``, ``airlight``, at h x w."""
        return estimate_outputs(self.rain_removal.at_low_resolution(self.rain_removal(inputs), inputs))

    def losses(self, inputs: Tensor, data_samples: Samples) -> dict[str, Tensor]:
        """``loss_streak``, ``loss_transmission``, ``loss_airlight``, ``loss_transmission_gradient``."""
        return parameter_losses(self, self.parameter_loss, self.rain_removal(inputs), data_samples)


@MODELS.register_module()
class HeavyRainGAN(ConditionalGAN):
    """Stage 2: H^ = G(J0, A), with a depth-guided discriminator of concat(I, H^).

    J0 is the estimator's inverse of the rain model. The discriminator minimises its adversarial loss plus
    ``(f_MSE(M(H^), 1 - T^) + f_MSE(M(H), 0)) / 2``, with its depth map M and the estimated transmission T^. Each face
    of ``rain_v1`` has one depth, so its map is constant and has little effect.

    The original freezes the estimator in this stage. Here the loss of stage 1 (``rain_loss``) is minimised, too, so
    that the stage can be trained from scratch and S, T and A stay supervised.

    Args:
        rain_removal: Config of a ``HeavyRainEstimator``.
        rain_loss: Config of a :class:`~rainrestore.models.losses.RainParameterLoss`, or None.
        **slots: Arguments of :class:`ConditionalGAN`; ``generator`` is a ``RefinementUNet`` and ``discriminator`` a
            ``DepthGuidedDiscriminator``.
    """

    def __init__(self, rain_removal: dict, rain_loss: dict | None = None, **slots: Any) -> None:
        super().__init__(priors={'rain_removal': MODELS.build(rain_removal)}, **slots)
        self.rain_loss = build_slot(rain_loss)

    def generate(self, inputs: Tensor) -> tuple[Tensor, RainEstimate]:
        """I (N, 3, h, w) -> H^ (N, 3, s h, s w), and the estimate of the same size."""
        estimate = self.rain_removal(inputs)
        return self.generator(estimate.lr, estimate.airlight), estimate

    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, h, w) -> ``pred_img`` (N, 3, s h, s w); ``lr_img``, ``streak``, ``transmission``, ``airlight``."""
        face, estimate = self.generate(inputs)
        return {'pred_img': face, **estimate_outputs(self.rain_removal.at_low_resolution(estimate, inputs))}

    def remove_rain(self, inputs: Tensor, derained: bool = True) -> dict[str, Tensor]:
        """I (N, 3, h, w) -> ``lr_img``, ``streak``, ``transmission``, ``airlight``, at h x w."""
        return estimate_outputs(self.rain_removal.at_low_resolution(self.rain_removal(inputs), inputs))

    def supervised_losses(self, inputs: Tensor, data_samples: Samples) -> Step:
        """The losses of H^, and the losses of stage 1."""
        truth = self.truth(data_samples, 'gt_img')
        face, estimate = self.generate(inputs)
        losses = self.image_losses(face, truth, inputs)
        if self.rain_loss is not None:
            losses |= parameter_losses(self, self.rain_loss, estimate, data_samples)
        return losses, face, truth

    def logits(self, output: tuple[Tensor, Tensor]) -> Tensor:
        """The logits (N,), without the depth map."""
        return output[0]

    def discriminator_loss(self, adversarial: AdversarialLoss, real: Any, fake: Any, inputs: Tensor) -> Tensor:
        """The adversarial loss and the loss of the depth map."""
        (_, real_map), (_, fake_map) = real, fake
        with torch.no_grad():
            depth = F.adaptive_avg_pool2d(1 - self.rain_removal.transmission_of(inputs), fake_map.shape[-2:])
        guidance = (F.mse_loss(fake_map, depth) + real_map.square().mean()) / 2
        return super().discriminator_loss(adversarial, real, fake, inputs) + guidance
