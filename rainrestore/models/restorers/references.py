"""References: FCG-GAN with the true J or F, with flip averaging, or rain removal without a generator.

They use the weights of trained models and cannot be trained.
"""

from typing import Any

import torch
from torch import Tensor

from rainrestore.models.networks.layers import enlarge
from rainrestore.models.restorers.base import BaseRestorer, Samples
from rainrestore.models.restorers.fcg_gan import FCGGAN
from rainrestore.models.restorers.rain_removal import RainRemover, estimate_outputs
from rainrestore.registry import MODELS

ORACLES = ('derained', 'parsing')


class OnlyTested(FCGGAN):
    """A variant of FCG-GAN that uses the weights of a trained FCG-GAN and cannot be trained."""

    losses = BaseRestorer.losses


@MODELS.register_module()
class OracleFCGGAN(OnlyTested):
    """The trained network with the true J or the true F instead of the prediction.

    ``H = G(J, F^(I, J), I)`` or ``H = G(J^, F, I)``: the result of perfect rain removal or parsing with the same
    generator.

    Args:
        oracle: ``'derained'`` for the true J, ``'parsing'`` for the true F.
        **slots: Arguments of :class:`FCGGAN`; ``rain_removal`` and ``face_parser`` must be filled.

    Raises:
        ValueError: An unknown oracle, or an empty slot.
    """

    def __init__(self, oracle: str, **slots: Any) -> None:
        if oracle not in ORACLES:
            raise ValueError(f'oracle must be one of {", ".join(ORACLES)}, got {oracle!r}')
        if slots.get('rain_removal') is None or slots.get('face_parser') is None:
            raise ValueError('OracleFCGGAN replaces a prediction: rain_removal and face_parser must be filled')
        super().__init__(**slots)
        self.oracle = oracle

    def forward(self, inputs: Tensor, data_samples: Samples | None = None, mode: str = 'tensor') -> Any:
        """:meth:`BaseRestorer.forward`; only ``mode='predict'`` uses the ground truth."""
        if mode != 'predict':
            return super().forward(inputs, data_samples, mode)
        samples = data_samples or ()
        estimate = self.rain_removal(inputs)
        if self.oracle == 'derained':
            estimate = estimate._replace(lr=self.truth(samples, 'lr_img').to(inputs.device))
            parsing = self.face_parser(torch.cat((inputs, estimate.lr), 1))
        else:
            parsing = self.truth(samples, 'parsing').to(inputs.device)
        face = self.generator(inputs, estimate.lr, parsing)
        return self.pack(
            {'pred_img': face, **estimate_outputs(estimate), 'parsing': parsing}, data_samples, len(inputs)
        )


@MODELS.register_module()
class MirroredFCGGAN(OnlyTested):
    """Flip averaging: ``H = (f(I) + M f(M I)) / 2`` with M the horizontal flip; two forward passes."""

    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """:meth:`FCGGAN.restore`; only ``pred_img`` is averaged."""
        outputs = super().restore(inputs)
        mirrored = super().restore(inputs.flip(-1))['pred_img'].flip(-1)
        return {**outputs, 'pred_img': (outputs['pred_img'] + mirrored) / 2}


@MODELS.register_module()
class RainRemoverThenBicubic(RainRemover):
    """The J of the rain removal module, enlarged by bicubic interpolation.

    Args:
        scale: Enlargement s.
        **slots: Arguments of :class:`RainRemover`.
    """

    def __init__(self, scale: int = 4, **slots: Any) -> None:
        super().__init__(**slots)
        self.scale = scale

    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, h, w) -> ``pred_img`` (N, 3, s h, s w) and the maps of :class:`RainRemover`."""
        outputs = super().restore(inputs)
        small = outputs['lr_img'].float()
        return {'pred_img': enlarge(small, [self.scale * side for side in small.shape[-2:]]), **outputs}
