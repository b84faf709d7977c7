"""Adversarial training of a generator with any number of discriminators."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from rainrestore.errors import ConfigError
from rainrestore.models.losses.adversarial import AdversarialLoss
from rainrestore.models.restorers.base import BaseRestorer, Samples, build_slot

#: The losses of the generator, H^ and H, both (N, 3, H, W).
Step: TypeAlias = tuple[dict[str, Tensor], Tensor, Tensor]


class AdversarialRestorer(BaseRestorer):
    """A generator and its discriminators, trained alternately.

    Each iteration first steps the generator, with the weights of the discriminators frozen. Then it steps each
    discriminator on the true face H and on the restored face H^ of the same iteration, detached. H and H^ are separate
    batches, so that batch norm in a discriminator does not mix them.

    :class:`~rainrestore.engine.SlotOptimWrapperConstructor` builds the optimisers of the groups ``generator`` and
    ``discriminator``.

    A subclass may override:

    - :meth:`supervised_losses`: the non-adversarial losses of the generator;
    - :meth:`discriminators`: the list of discriminators;
    - :meth:`discriminate`: the input of a discriminator;
    - :meth:`logits`, :meth:`generator_terms`, :meth:`needs_real_logits` and :meth:`discriminator_loss`: the losses of a
      discriminator with other outputs than logits.

    Args:
        generator: Config of the generator.
        pixel_loss: Loss between H^ and H, or None.
        discriminator: Config of the global discriminator, or None.
        perceptual_loss: Perceptual loss between H^ and H, or None.
        adversarial_loss: Config of the loss of the global discriminator.
        generator_steps: Generator steps per discriminator step, at least 1. Larger values slow down discriminators
            that are too strong.
        freeze_bn: Slots whose batch norms keep their statistics; see :meth:`~BaseRestorer.freeze_bn`.
        priors: Attribute name -> module that computes an input of the generator, in the order of the parameters.
        **options: Arguments of :class:`BaseRestorer`.

    Raises:
        ValueError: A discriminator without a loss, or ``generator_steps`` below 1.
    """

    def __init__(
        self,
        generator: dict,
        pixel_loss: dict | None,
        discriminator: dict | None = None,
        perceptual_loss: dict | None = None,
        adversarial_loss: dict | None = None,
        generator_steps: int = 1,
        freeze_bn: Sequence[str] = (),
        priors: Mapping[str, nn.Module | None] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if generator_steps < 1:
            raise ValueError(f'generator_steps must be at least 1, got {generator_steps}')
        if discriminator is not None and adversarial_loss is None:
            raise ValueError('discriminator needs adversarial_loss: set the loss or remove the discriminator')
        for name, module in (priors or {}).items():
            setattr(self, name, module)
        self.generator = build_slot(generator)
        self.discriminator = build_slot(discriminator)
        self.pixel_loss = build_slot(pixel_loss)
        self.perceptual_loss = build_slot(perceptual_loss)
        self.adversarial_loss = build_slot(adversarial_loss if discriminator is not None else None)
        self.generator_steps = generator_steps
        self.freeze_bn(freeze_bn)

    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, h, w) -> ``pred_img`` (N, 3, s h, s w), both in [0, 1]."""
        return {'pred_img': self.generator(inputs)}

    def remove_rain(self, inputs: Tensor, derained: bool = True) -> dict[str, Tensor]:
        """An empty dict: there is no estimate of the rain."""
        return {}

    def losses(self, inputs: Tensor, data_samples: Samples) -> dict[str, Tensor]:
        """The losses of the generator; see :meth:`generator_losses`."""
        return self.generator_losses(inputs, data_samples)[0]

    def supervised_losses(self, inputs: Tensor, data_samples: Samples) -> Step:
        """The non-adversarial losses of the generator, H^ and H, both (N, 3, H, W)."""
        truth = self.truth(data_samples, 'gt_img')
        face = self.generator(inputs)
        return self.image_losses(face, truth, inputs), face, truth

    def image_losses(self, face: Tensor, truth: Tensor, inputs: Tensor) -> dict[str, Tensor]:
        """The losses between H^ and H: ``loss_pixel`` and ``loss_vgg``, if their slots are filled.

        Raises:
            ConfigError: H^ has another size than H.
        """
        if face.shape != truth.shape:
            sizes = [f'{image.shape[-1]}x{image.shape[-2]}' for image in (face, truth)]
            raise ConfigError(
                f'the output of the network has {sizes[0]} pixels, the ground truth {sizes[1]}: the scale of '
                'model.generator must be equal to the scale of the transforms'
            )
        slots = {'loss_pixel': self.pixel_loss, 'loss_vgg': self.perceptual_loss}
        return {name: loss(face, truth) for name, loss in slots.items() if loss is not None}

    def discriminators(self) -> Iterator[tuple[str, nn.Module, Any]]:
        """Name, network and adversarial loss of each discriminator."""
        if self.discriminator is not None:
            yield 'global', self.discriminator, self.adversarial_loss

    def discriminate(self, discriminator: nn.Module, face: Tensor, inputs: Tensor) -> Any:
        """The output of a discriminator for faces (N, 3, H, W); a conditional one also gets I (N, 3, h, w)."""
        return discriminator(face)

    def logits(self, output: Any) -> Tensor:
        """The logits in the output of :meth:`discriminate`."""
        return output

    def needs_real_logits(self, adversarial: AdversarialLoss) -> bool:
        """Whether :meth:`generator_terms` needs the output of the discriminator for H."""
        return adversarial.relativistic

    def generator_terms(self, adversarial: AdversarialLoss, fake: Any, real: Any) -> dict[str, Tensor]:
        """Name -> loss of the generator, from the outputs of a discriminator for H^ and H (None if not needed)."""
        return {'adv': adversarial.generator_loss(self.logits(fake), None if real is None else self.logits(real))}

    def discriminator_loss(self, adversarial: AdversarialLoss, real: Any, fake: Any, inputs: Tensor) -> Tensor:
        """Loss of one discriminator, from its outputs for H and H^."""
        return adversarial.discriminator_loss(self.logits(real), self.logits(fake))

    def generator_losses(self, inputs: Tensor, data_samples: Samples) -> Step:
        """All losses of the generator, the restored face H^ (detached) and the ground truth H."""
        losses, face, truth = self.supervised_losses(inputs, data_samples)
        for name, discriminator, adversarial in self.discriminators():
            real = None
            if self.needs_real_logits(adversarial):
                with torch.no_grad():
                    real = self.discriminate(discriminator, truth, inputs)
            terms = self.generator_terms(adversarial, self.discriminate(discriminator, face, inputs), real)
            losses |= {f'loss_{term}_{name}': value for term, value in terms.items()}
        return losses, face.detach(), truth

    @contextmanager
    def frozen_discriminators(self) -> Iterator[None]:
        """Compute no gradients for the weights of the discriminators inside the block."""
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
        """Step the generator and then, every ``generator_steps`` iterations, each discriminator.

        Returns:
            The losses; ``psnr_train`` in dB (RGB, no crop, from the mean squared error of the batch); and for each
            discriminator the mean probabilities ``prob_real`` and ``prob_fake``, the ``accuracy`` on both, and the
            ``slope`` of its loss, which is near 0 if the generator gets no gradient.
        """
        batch = self.data_preprocessor(data, training=True)
        wrappers: Any = optim_wrapper
        with self.frozen_discriminators():
            with wrappers['generator'].optim_context(self):
                losses, face, truth = self.generator_losses(batch['inputs'], batch['data_samples'])
            total, log = self.parse_losses(losses)
            wrappers['generator'].update_params(total)
        log['psnr_train'] = -10 * (face - truth).square().mean().log10()
        # The counter of the runner continues in a resumed run. Without a runner it is always 0.
        iteration = MessageHub.get_current_instance().runtime_info.get('iter', 0)
        if any(self.discriminators()) and iteration % self.generator_steps == 0:
            log |= self.discriminator_step(face, truth, batch['inputs'], wrappers['discriminator'])
        return log

    def discriminator_step(
        self, face: Tensor, truth: Tensor, inputs: Tensor, optim_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        """Step every discriminator on H^ (detached) and H, (N, 3, H, W), restored from I; returns the log."""
        losses: dict[str, Tensor] = {}
        log: dict[str, Tensor] = {}
        with optim_wrapper.optim_context(self):
            for name, discriminator, adversarial in self.discriminators():
                of_truth, of_face = (self.discriminate(discriminator, image, inputs) for image in (truth, face))
                losses[f'loss_disc_{name}'] = self.discriminator_loss(adversarial, of_truth, of_face, inputs)
                real, fake = self.logits(of_truth), self.logits(of_face)
                if adversarial.relativistic:
                    # A relativistic loss does not depend on a common offset of all logits.
                    real, fake = real - fake.mean(), fake - real.mean()
                true, false = adversarial.probability(real), adversarial.probability(fake)
                log[f'prob_real_{name}'], log[f'prob_fake_{name}'] = true.mean(), false.mean()
                log[f'accuracy_{name}'] = ((true > 0.5).float().mean() + (false < 0.5).float().mean()) / 2
                log[f'slope_{name}'] = adversarial.slope(fake)
        total, parsed = self.parse_losses(losses)
        optim_wrapper.update_params(total)
        parsed.pop('loss')
        return parsed | log
