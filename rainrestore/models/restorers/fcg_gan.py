"""Stage 2: the joint network with facial component guided adversarial learning."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from rainrestore.models.networks.hrrm import RainEstimate
from rainrestore.models.restorers.base import BaseRestorer, build_slot
from rainrestore.models.restorers.rain_removal import estimate_outputs
from rainrestore.registry import MODELS

if TYPE_CHECKING:
    from mmagic.structures import DataSample

Box = tuple[int, int, int, int]
SATURATED_SLOPE = 1e-4


class LocalDiscriminator(nn.Module):
    """A discriminator that sees one facial component: the crop of a fixed box (paper eq. 24).

    Args:
        discriminator: config of the network.
        box: x0, y0, x1, y1 in pixels of a high-resolution face, half open: the component's average box over the
            training set (``tools/dataset_converters/component_boxes.py``).
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
            ValueError: the box leaves the picture.
        """
        x0, y0, x1, y1 = self.box
        if x1 > face.shape[-1] or y1 > face.shape[-2]:
            raise ValueError(
                f'the box {list(self.box)} leaves the face of {face.shape[-1]}x{face.shape[-2]} pixels: compute boxes '
                'for this size with tools/dataset_converters/component_boxes.py'
            )
        return self.network(face[..., y0:y1, x0:x1])


@MODELS.register_module()
class FCGGAN(BaseRestorer):
    """H^ = G(J^, F^, I): rain removal, parsing and super-resolution trained together (paper eqs. 23-32).

    Each iteration first minimises, over generator, rain removal and parsing,

        L = f_MSE(H, H^) + 1e-3 vgg(H, H^) + 1e-3 (1 - D(H^)) + 1e-4 sum_k (1 - D_k(crop_k H^)) + L_R + L_F

    and then, over each discriminator, ``1 - D(H) + D(H^)`` on the same H^, detached. True and restored faces never
    share a batch: the discriminators normalise by batch. An empty slot (None) is an ablation: without rain removal the
    generator sees I alone, without parsing no F enters, without discriminators that part of the loss is gone.

    Optimised by :class:`~rainrestore.engine.SlotOptimWrapperConstructor` with the groups ``generator`` and
    ``discriminator``.

    Args:
        generator: config of the generator; its ``derained`` and ``parsing_channels`` follow from the other slots.
        pixel_loss: f_MSE of the restored face, or None.
        rain_removal: HRRM slot.
        face_parser: FPM slot.
        discriminator: global discriminator slot.
        local_discriminators: name of the component -> ``dict(discriminator=..., box=...)``.
        perceptual_loss: vgg with its weight.
        adversarial_loss: loss of the global discriminator.
        local_adversarial_loss: loss of each local one.
        rain_loss: L_R, which keeps only its MSE terms in this stage (paper section 3.6).
        parameter_loss: losses on S, T and A themselves, or None as in the paper.
        parsing_loss: L_F.
        generator_steps: steps of the generator to one of the discriminators, 1 as in the paper; more hold back
            discriminators that win too easily.
        freeze_bn: slots of which :meth:`~BaseRestorer.freeze_bn` keeps the statistics.
        data_preprocessor: see :class:`BaseRestorer`.
        init_cfg: where weights come from.
    """

    def __init__(
        self,
        generator: dict,
        pixel_loss: dict | None,
        rain_removal: dict | None = None,
        face_parser: dict | None = None,
        discriminator: dict | None = None,
        local_discriminators: Mapping[str, dict] | None = None,
        perceptual_loss: dict | None = None,
        adversarial_loss: dict | None = None,
        local_adversarial_loss: dict | None = None,
        rain_loss: dict | None = None,
        parameter_loss: dict | None = None,
        parsing_loss: dict | None = None,
        generator_steps: int = 1,
        freeze_bn: Sequence[str] = (),
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.rain_removal = build_slot(rain_removal)
        self.face_parser = build_slot(face_parser, in_channels=3 if rain_removal is None else 6)
        self.generator = self.build_generator(generator)
        self.discriminator = build_slot(discriminator)
        self.local_discriminators = nn.ModuleDict(
            {name: LocalDiscriminator(**config) for name, config in (local_discriminators or {}).items()}
        )
        self.pixel_loss = build_slot(pixel_loss)
        self.perceptual_loss = build_slot(perceptual_loss)
        self.adversarial_loss = build_slot(adversarial_loss if discriminator is not None else None)
        self.local_adversarial_loss = build_slot(local_adversarial_loss if local_discriminators else None)
        self.rain_loss = build_slot(rain_loss if rain_removal is not None else None)
        self.parameter_loss = build_slot(parameter_loss if rain_removal is not None else None)
        self.parsing_loss = build_slot(parsing_loss if face_parser is not None else None)
        if generator_steps < 1:
            raise ValueError(f'generator_steps must be at least 1, got {generator_steps}')
        self.generator_steps = generator_steps
        self.freeze_bn(freeze_bn)
        if discriminator is not None and adversarial_loss is None:
            raise ValueError(
                'a discriminator without adversarial_loss is never trained: give the loss or drop the slot'
            )
        if local_discriminators and local_adversarial_loss is None:
            raise ValueError('local_discriminators need local_adversarial_loss: give the loss or drop the slot')

    def build_generator(self, config: dict) -> nn.Module:
        """The generator, told which of J and F it will be given."""
        parsing_channels = 0 if self.face_parser is None else self.face_parser.out_channels
        return build_slot(config, derained=self.rain_removal is not None, parsing_channels=parsing_channels)

    def discriminators(self) -> Iterator[tuple[str, nn.Module, Any]]:
        """Name, discriminator and adversarial loss of each filled slot, the global one first."""
        if self.discriminator is not None:
            yield 'global', self.discriminator, self.adversarial_loss
        for name, discriminator in self.local_discriminators.items():
            yield name, discriminator, self.local_adversarial_loss

    def discriminate(self, discriminator: nn.Module, face: Tensor, inputs: Tensor) -> Any:
        """What a discriminator says of faces (N, 3, H, W); a conditional one overrides this to look at I as well."""
        return discriminator(face)

    def logits(self, output: Any) -> Tensor:
        """The logits in what :meth:`discriminate` returns; where that is more than logits, this is overridden."""
        return output

    def generate(self, inputs: Tensor) -> tuple[Tensor, RainEstimate | None, Tensor | None]:
        """I (N, 3, h, w) -> H^ (N, 3, s h, s w), the rain estimate and F^, the latter two if their slots are filled."""
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

    def remove_rain(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, h, w) -> the estimate of the rain removal module, or nothing if that slot is empty."""
        return {} if self.rain_removal is None else estimate_outputs(self.rain_removal(inputs))

    def rain_losses(self, estimate: Any, inputs: Tensor, data_samples: 'Sequence[DataSample]') -> dict[str, Tensor]:
        """The terms of the rain removal module in the joint loss: L_R."""
        return self.rain_loss(estimate, self.truth(data_samples, 'lr_img'), inputs)

    def losses(self, inputs: Tensor, data_samples: 'Sequence[DataSample]') -> dict[str, Tensor]:
        """The generator's losses; see :meth:`generator_losses`."""
        return self.generator_losses(inputs, data_samples)[0]

    def generator_losses(
        self, inputs: Tensor, data_samples: 'Sequence[DataSample]'
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Losses of eq. 25 with those of the joint modules, the restored face H^ and the truth H."""
        truth = self.truth(data_samples, 'gt_img')
        face, estimate, parsing = self.generate(inputs)
        losses = self.picture_losses(face, truth, inputs)
        for name, discriminator, adversarial in self.discriminators():
            real = None
            if self.needs_real_logits(adversarial):
                with torch.no_grad():
                    real = self.discriminate(discriminator, truth, inputs)
            terms = self.generator_terms(adversarial, self.discriminate(discriminator, face, inputs), real)
            losses |= {f'loss_{term}_{name}': value for term, value in terms.items()}
        if self.rain_loss is not None:
            losses |= self.rain_losses(estimate, inputs, data_samples)
        if self.parameter_loss is not None:
            losses |= self.parameter_loss(estimate, **self.rain_parameters(data_samples))
        if self.parsing_loss is not None:
            target, annotated = (self.truth(data_samples, key) for key in ('parsing', 'parsing_labels'))
            losses['loss_parsing'] = self.parsing_loss(parsing, target, annotated)
        return losses, face.detach(), truth

    def picture_losses(self, face: Tensor, truth: Tensor, inputs: Tensor) -> dict[str, Tensor]:
        """The terms that compare H^ with H (and, in a subclass, with I)."""
        losses: dict[str, Tensor] = {}
        if self.pixel_loss is not None:
            losses['loss_pixel'] = self.pixel_loss(face, truth)
        if self.perceptual_loss is not None:
            losses['loss_vgg'] = self.perceptual_loss(face, truth)
        return losses

    def needs_real_logits(self, adversarial: Any) -> bool:
        """Whether the generator's terms need what the discriminator says of H."""
        return adversarial.relativistic

    def generator_terms(self, adversarial: Any, fake: Any, real: Any) -> dict[str, Tensor]:
        """Name -> term, from what a discriminator said of H^ and, where :meth:`needs_real_logits`, of H."""
        return {'adv': adversarial.generator_loss(self.logits(fake), None if real is None else self.logits(real))}

    @contextmanager
    def frozen_discriminators(self) -> Iterator[None]:
        """No gradients for the discriminators' weights, which the generator's step has no use for."""
        for _, discriminator, _ in self.discriminators():
            discriminator.requires_grad_(False)
        try:
            yield
        finally:
            for _, discriminator, _ in self.discriminators():
                discriminator.requires_grad_(True)

    def train_step(
        self, data: dict, optim_wrapper: OptimWrapper | OptimWrapperDict | dict[str, OptimWrapper]
    ) -> dict[str, Tensor]:
        """The generator's step, then, every ``generator_steps`` iterations, each discriminator's.

        Returns the losses for the log, ``psnr_train`` in dB (RGB, no crop, the mean error of the batch), and per
        discriminator its mean probabilities on true and restored faces, its accuracy on both
        (``accuracy``) and the slope of its sigmoid, which is what is left of the generator's gradient.
        """
        batch = self.data_preprocessor(data, training=True)
        wrappers: Any = optim_wrapper
        with self.frozen_discriminators():
            with wrappers['generator'].optim_context(self):
                losses, face, truth = self.generator_losses(batch['inputs'], batch['data_samples'])
            total, log = self.parse_losses(losses)
            wrappers['generator'].update_params(total)
        log['psnr_train'] = -10 * (face - truth).square().mean().log10()
        # The runner's counter, which a resumed run takes up; outside a runner each step is the first.
        iteration = MessageHub.get_current_instance().runtime_info.get('iter', 0)
        if any(self.discriminators()) and iteration % self.generator_steps == 0:
            log |= self.discriminator_step(face, truth, batch['inputs'], wrappers['discriminator'])
        return log

    def discriminator_loss(self, adversarial: Any, real: Any, fake: Any, inputs: Tensor) -> Tensor:
        """What one discriminator minimises, from what it said of H and of H^ (see :meth:`discriminate`)."""
        return adversarial.discriminator_loss(self.logits(real), self.logits(fake))

    def discriminator_step(
        self, face: Tensor, truth: Tensor, inputs: Tensor, optim_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        """Minimise eqs. 29-32 on H^ (detached) and H, (N, 3, H, W), of I."""
        losses: dict[str, Tensor] = {}
        log: dict[str, Tensor] = {}
        with optim_wrapper.optim_context(self):
            for name, discriminator, adversarial in self.discriminators():
                of_truth, of_face = (self.discriminate(discriminator, picture, inputs) for picture in (truth, face))
                losses[f'loss_disc_{name}'] = self.discriminator_loss(adversarial, of_truth, of_face, inputs)
                real, fake = self.logits(of_truth), self.logits(of_face)
                if adversarial.relativistic:
                    # a common offset of all logits means nothing there
                    real, fake = real - fake.mean(), fake - real.mean()
                log[f'prob_real_{name}'] = real.detach().sigmoid().mean()
                log[f'prob_fake_{name}'] = fake.detach().sigmoid().mean()
                log[f'accuracy_{name}'] = ((real > 0).float().mean() + (fake < 0).float().mean()) / 2
                log[f'slope_{name}'] = adversarial.slope(fake)
        total, parsed = self.parse_losses(losses)
        optim_wrapper.update_params(total)
        parsed.pop('loss')
        for name, _, _ in self.discriminators():
            if log[f'slope_{name}'] < SATURATED_SLOPE:
                MMLogger.get_current_instance().warning(
                    'the %s discriminator is saturated (sigmoid slope %.1e): it gives the generator no gradient',
                    name, log[f'slope_{name}'],
                )  # fmt: skip
        return parsed | log
