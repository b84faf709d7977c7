"""Stage 2 of the paper: facial component guided GAN, with joint training of all modules."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rainrestore.errors import OptionError
from rainrestore.models.restorers.adversarial import AdversarialRestorer, Step
from rainrestore.models.restorers.base import build_slot
from rainrestore.models.restorers.rain_removal import estimate_outputs, rain_outputs
from rainrestore.physics import RainEstimate
from rainrestore.registry import MODELS

if TYPE_CHECKING:
    from mmagic.structures import DataSample

Box = tuple[int, int, int, int]


class LocalDiscriminator(nn.Module):
    """A discriminator of one facial component: its input is the crop of a fixed box (paper eq. 24).

    Args:
        discriminator: Config of the network.
        box: x0, y0, x1, y1 in pixels of a high-resolution face, half open: the average box of the component over the
            training set (``tools/dataset_converters/component_boxes.py``).

    Raises:
        ValueError: The box is empty or has a negative corner.
    """

    def __init__(self, discriminator: dict, box: Sequence[int]) -> None:
        super().__init__()
        x0, y0, x1, y1 = box
        if not (0 <= x0 < x1 and 0 <= y0 < y1):
            raise ValueError(f'box must be x0, y0, x1, y1 with 0 <= x0 < x1 and 0 <= y0 < y1, got {list(box)}')
        self.network = MODELS.build(discriminator)
        self.box: Box = (x0, y0, x1, y1)

    def forward(self, face: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N,) of the crop.

        Raises:
            OptionError: The box exceeds the face.
        """
        x0, y0, x1, y1 = self.box
        if x1 > face.shape[-1] or y1 > face.shape[-2]:
            raise OptionError(
                f'the box {list(self.box)} exceeds the face of {face.shape[-1]}x{face.shape[-2]} pixels: compute boxes '
                'for this size with tools/dataset_converters/component_boxes.py'
            )
        return self.network(face[..., y0:y1, x0:x1])


@MODELS.register_module()
class FCGGAN(AdversarialRestorer):
    """H^ = G(J^, F^, I): joint training of rain removal, parsing and super-resolution (paper eqs. 23-32).

    The generator, the rain removal module and the parsing module minimise

        L = f_MSE(H, H^) + 1e-3 vgg(H, H^) + 1e-3 (1 - D(H^)) + 1e-4 sum_k (1 - D_k(crop_k H^)) + L_R + L_F

    and each discriminator ``1 - D(H) + D(H^)``. An empty slot (None) is an ablation: without rain removal, the
    generator has no input J; without parsing, no input F; without discriminators, the loss has no adversarial terms.

    Args:
        generator: Config of the generator; the defaults of ``derained`` and ``parsing_channels`` match the other slots.
        rain_removal: Config of the HRRM, or None.
        face_parser: Config of the FPM, or None.
        local_discriminators: Name of the component -> ``dict(discriminator=..., box=...)``. None entries are ignored.
        local_adversarial_loss: Config of the loss of each local discriminator.
        rain_loss: Config of L_R, which has only its MSE terms in this stage (paper section 3.6).
        parameter_loss: Config of the losses on S, T and A, or None as in the paper.
        parsing_loss: Config of L_F.
        **slots: Arguments of :class:`AdversarialRestorer`.

    Raises:
        ValueError: Discriminators without a loss.
    """

    def __init__(
        self,
        generator: dict,
        rain_removal: dict | None = None,
        face_parser: dict | None = None,
        local_discriminators: Mapping[str, dict | None] | None = None,
        local_adversarial_loss: dict | None = None,
        rain_loss: dict | None = None,
        parameter_loss: dict | None = None,
        parsing_loss: dict | None = None,
        **slots: Any,
    ) -> None:
        given = {name: one for name, one in (local_discriminators or {}).items() if one is not None}
        if given and local_adversarial_loss is None:
            raise ValueError(
                'local_discriminators need local_adversarial_loss: set the loss or remove the discriminators'
            )
        rainy, parsed = rain_removal is not None, face_parser is not None
        priors = {
            'rain_removal': build_slot(rain_removal),
            'face_parser': build_slot(face_parser, in_channels=6 if rainy else 3),
        }
        parsing_channels = priors['face_parser'].out_channels if parsed else 0
        generator = {'derained': rainy, 'parsing_channels': parsing_channels, **generator}
        super().__init__(generator, priors=priors, **slots)
        self.local_discriminators = nn.ModuleDict({name: LocalDiscriminator(**one) for name, one in given.items()})
        self.local_adversarial_loss = build_slot(local_adversarial_loss if given else None)
        self.rain_loss = build_slot(rain_loss if rainy else None)
        self.parameter_loss = build_slot(parameter_loss if rainy else None)
        self.parsing_loss = build_slot(parsing_loss if parsed else None)

    def discriminators(self) -> Iterator[tuple[str, nn.Module, Any]]:
        """Name, network and adversarial loss of each discriminator, the global one first."""
        yield from super().discriminators()
        for name, discriminator in self.local_discriminators.items():
            yield name, discriminator, self.local_adversarial_loss

    def generate(self, inputs: Tensor) -> tuple[Tensor, RainEstimate | None, Tensor | None]:
        """I (N, 3, h, w) -> H^ (N, 3, s h, s w), the rain estimate and F^; None for empty slots."""
        estimate = None if self.rain_removal is None else self.rain_removal(inputs)
        derained = None if estimate is None else estimate.lr
        parsing = None
        if self.face_parser is not None:
            parsing = self.face_parser(inputs if derained is None else torch.cat((inputs, derained), 1))
        return self.generator(inputs, derained, parsing), estimate, parsing

    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, h, w) -> ``pred_img`` (N, 3, s h, s w), and the maps of the filled slots."""
        face, estimate, parsing = self.generate(inputs)
        outputs = {'pred_img': face}
        if estimate is not None:
            outputs |= estimate_outputs(estimate)
        if parsing is not None:
            outputs['parsing'] = parsing
        return outputs

    def remove_rain(self, inputs: Tensor, derained: bool = True) -> dict[str, Tensor]:
        """I (N, 3, h, w) -> the estimate of the rain removal module; an empty dict if the slot is empty."""
        return {} if self.rain_removal is None else rain_outputs(self.rain_removal, inputs, derained)

    def supervised_losses(self, inputs: Tensor, data_samples: 'Sequence[DataSample]') -> Step:
        """The losses of H^, of the rain removal module (L_R) and of the parsing module (L_F)."""
        truth = self.truth(data_samples, 'gt_img')
        face, estimate, parsing = self.generate(inputs)
        losses = self.image_losses(face, truth, inputs)
        if self.rain_loss is not None:
            losses |= self.rain_loss(estimate, self.truth(data_samples, 'lr_img'), inputs)
        if self.parameter_loss is not None:
            losses |= self.parameter_loss(estimate, **self.rain_parameters(data_samples))
        if self.parsing_loss is not None:
            target, annotated = (self.truth(data_samples, key) for key in ('parsing', 'parsing_labels'))
            losses['loss_parsing'] = self.parsing_loss(parsing, target, annotated)
        return losses, face, truth
