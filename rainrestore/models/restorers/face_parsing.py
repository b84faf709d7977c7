"""Stage 1b: pre-training of the face parsing module."""

from typing import Any

import torch
from torch import Tensor

from rainrestore.models.restorers.base import BaseRestorer, Samples, build_slot
from rainrestore.models.restorers.rain_removal import estimate_outputs
from rainrestore.registry import MODELS


@MODELS.register_module()
class FaceParser(BaseRestorer):
    """Train the face parser F = P(I, J^) with L_F (paper eq. 22); the pre-trained rain removal module is frozen.

    Args:
        face_parser: Config of the FPM.
        parsing_loss: Config of L_F, a :class:`~rainrestore.models.losses.ParsingLoss`.
        rain_removal: Config of the HRRM that computes J^; None for F = P(I).
        **options: Arguments of :class:`BaseRestorer`.
    """

    def __init__(self, face_parser: dict, parsing_loss: dict, rain_removal: dict | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.rain_removal = build_slot(rain_removal)
        self.face_parser = build_slot(face_parser, in_channels=3 if rain_removal is None else 6)
        self.parsing_loss = MODELS.build(parsing_loss)
        if self.rain_removal is not None:
            self.rain_removal.requires_grad_(False)
            self.freeze_bn(('rain_removal',))

    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, h, w) -> ``parsing`` (N, C, h, w), and the predictions of the rain removal module."""
        if self.rain_removal is None:
            return {'parsing': self.face_parser(inputs)}
        with torch.no_grad():
            estimate = self.rain_removal(inputs)
        return {**estimate_outputs(estimate), 'parsing': self.face_parser(torch.cat((inputs, estimate.lr), 1))}

    def losses(self, inputs: Tensor, data_samples: Samples) -> dict[str, Tensor]:
        """``loss_parsing``."""
        target = self.truth(data_samples, 'parsing')
        annotated = self.truth(data_samples, 'parsing_labels')
        return {'loss_parsing': self.parsing_loss(self.restore(inputs)['parsing'], target, annotated)}
