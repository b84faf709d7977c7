"""Stage 1a: pre-training of the rain removal module."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from rainrestore.models.networks.hrrm import HRRM
from rainrestore.models.restorers.base import BaseRestorer, Samples, build_slot
from rainrestore.physics import RainEstimate
from rainrestore.registry import MODELS


def estimate_outputs(estimate: RainEstimate) -> dict[str, Tensor]:
    """The estimate as a dict, by the field names of the output sample."""
    maps = estimate._asdict()
    return {'lr_img': maps.pop('lr'), **maps}


def rain_outputs(network: nn.Module, inputs: Tensor, derained: bool) -> dict[str, Tensor]:
    """I (N, 3, h, w) -> the outputs of a rain removal module; without J if ``derained`` is false and it can omit J."""
    if derained or not isinstance(network, HRRM):
        return estimate_outputs(network(inputs))
    return dict(zip(('streak', 'transmission', 'airlight'), network.rain(inputs), strict=True))


@MODELS.register_module()
class RainRemover(BaseRestorer):
    """Train J, S, T and A with ``L = L_R + 0.1 L_vgg`` (paper eqs. 17-20).

    L_vgg compares the same two pairs as L_R: (J^, J) and (I^, I).

    Args:
        rain_removal: Config of the HRRM.
        rain_loss: Config of L_R, a :class:`~rainrestore.models.losses.RainReconstructionLoss`.
        perceptual_loss: Config of L_vgg with its weight 0.1, or None.
        parameter_loss: Config of the losses on S, T and A, or None as in the paper.
        freeze_bn: Slots whose batch norms keep their statistics; see :meth:`~BaseRestorer.freeze_bn`.
        **options: Arguments of :class:`BaseRestorer`.
    """

    def __init__(
        self,
        rain_removal: dict,
        rain_loss: dict,
        perceptual_loss: dict | None = None,
        parameter_loss: dict | None = None,
        freeze_bn: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.rain_removal = MODELS.build(rain_removal)
        self.rain_loss = MODELS.build(rain_loss)
        self.perceptual_loss = build_slot(perceptual_loss)
        self.parameter_loss = build_slot(parameter_loss)
        self.freeze_bn(freeze_bn)

    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, h, w) -> ``lr_img``, ``streak``, ``transmission``, ``airlight``."""
        return estimate_outputs(self.rain_removal(inputs))

    def remove_rain(self, inputs: Tensor, derained: bool = True) -> dict[str, Tensor]:
        """I (N, 3, h, w) -> the maps of :meth:`restore`; ``lr_img`` may be missing if ``derained`` is false."""
        return rain_outputs(self.rain_removal, inputs, derained)

    def losses(self, inputs: Tensor, data_samples: Samples) -> dict[str, Tensor]:
        """``loss_lr``, ``loss_rainy``, ``loss_vgg_lr``, ``loss_vgg_rainy``, and optional losses on S, T, A."""
        lr = self.truth(data_samples, 'lr_img')
        estimate = self.rain_removal(inputs)
        losses = self.rain_loss(estimate, lr, inputs)
        if self.perceptual_loss is not None:
            losses['loss_vgg_lr'] = self.perceptual_loss(estimate.lr, lr)
            if 'loss_rainy' in losses:
                losses['loss_vgg_rainy'] = self.perceptual_loss(self.rain_loss.reconstruct(estimate, lr), inputs)
        if self.parameter_loss is not None:
            losses |= self.parameter_loss(estimate, **self.rain_parameters(data_samples))
        return losses
