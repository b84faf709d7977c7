"""The discriminators of a checkpoint: accuracy, slope, and fraction of the generator's gradient."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from rainrestore.audit.faces import TestFaces
from rainrestore.checkpoints import is_training_only
from rainrestore.models.inspection import gradient_norms, gradient_shares, slot_modules
from rainrestore.models.restorers import AdversarialRestorer

IMAGE, GENERATOR, ALL = 'image', 'generator', 'all'
#: The reported values of each discriminator, from the log of ``AdversarialRestorer``.
LOGGED = ('accuracy', 'slope', 'prob_real', 'prob_fake')


@dataclass(frozen=True)
class DiscriminatorsAudit:
    """Measurements of the discriminators in training mode, with batch statistics in their batch norm.

    Attributes:
        discriminators: Name -> ``accuracy`` (fraction of correctly classified true and restored faces), ``slope`` (of
            the adversarial loss; near 0 the generator gets no gradient), ``prob_real`` and ``prob_fake``; means over
            the batches.
        gradient_norms: Loss term -> L2 norm of its gradient with respect to the restored image (``image``), the
            weights of the ``generator``, and ``all`` trained weights; for one batch.
    """

    discriminators: dict[str, dict[str, float]]
    gradient_norms: dict[str, dict[str, float]]

    def shares(self, target: str) -> dict[str, float]:
        """Loss term -> its norm divided by the sum of the norms, for one target."""
        return gradient_shares({name: norms[target] for name, norms in self.gradient_norms.items()})


class _NoOptimiser:
    """A stand-in for an optimiser wrapper whose steps change nothing."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        yield

    def update_params(self, loss: Tensor) -> None:
        pass


def has_discriminators(model: nn.Module) -> TypeGuard[AdversarialRestorer]:
    """Whether a restorer is an :class:`AdversarialRestorer` with discriminators."""
    return isinstance(model, AdversarialRestorer) and bool(_weights(model.state_dict()))


def audit_discriminators(
    model: AdversarialRestorer, state_dict: Mapping[str, Tensor], faces: TestFaces
) -> DiscriminatorsAudit | None:
    """Measure the discriminators of a checkpoint on true and restored faces.

    Args:
        model: A restorer with discriminators; not changed.
        state_dict: The weights of the checkpoint.
        faces: The test faces.

    Returns:
        The measurements; None if the checkpoint has no discriminators, like all checkpoints of the zoo.
    """
    own, weights = _weights(model.state_dict()), _weights(state_dict)
    if not own.keys() <= weights.keys():
        return None
    # A copy, because batch norms in training mode update their statistics.
    model = copy.deepcopy(model)
    model.load_state_dict(weights, strict=False)
    model.train()
    for name, part in model.named_children():
        if is_training_only(name):
            part.requires_grad_(False)
    found: dict[str, list[float]] = {}
    norms: dict[str, dict[str, float]] = {}
    for batch in faces.batches():
        if len(batch['inputs']) == 1:
            # Batch norm needs more than one sample.
            continue
        data = model.data_preprocessor(batch, training=True)
        losses, face, truth, output = _generator_losses(model, data)
        if not norms:
            norms = _gradient_norms(model, losses, *output)
        with torch.no_grad():
            log = model.discriminator_step(face, truth, data['inputs'], _NoOptimiser())
        for key, value in log.items():
            found.setdefault(key, []).append(float(value))
    means = {key: sum(values) / len(values) for key, values in found.items()}
    names = [key.removeprefix('accuracy_') for key in means if key.startswith('accuracy_')]
    return DiscriminatorsAudit({name: {key: means[f'{key}_{name}'] for key in LOGGED} for name in names}, norms)


def _weights(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of discriminators."""
    return {
        name: value
        for name, value in state_dict.items()
        if name.partition('.')[0].endswith(('discriminator', 'discriminators'))
    }


def _generator_losses(
    model: AdversarialRestorer, data: dict[str, Any]
) -> tuple[dict[str, Tensor], Tensor, Tensor, tuple[str, Tensor]]:
    """The losses, H^ and H, the name of the slot that computes H^, and its output inside the graph."""
    outputs: list[tuple[str, Any]] = []
    with ExitStack() as stack:
        for name, module in slot_modules(model).items():
            if not is_training_only(name):
                keep = module.register_forward_hook(lambda *call, name=name: outputs.append((name, call[-1])))
                stack.enter_context(keep)
        losses, face, truth = model.generator_losses(data['inputs'], data['data_samples'])
    # The slot that is called last computes the face.
    return losses, face, truth, outputs[-1]


def _gradient_norms(
    model: AdversarialRestorer, losses: Mapping[str, Tensor], slot: str, image: Tensor
) -> dict[str, dict[str, float]]:
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    targets = {
        IMAGE: [image],
        GENERATOR: [weight for name, weight in trained.items() if name.partition('.')[0] == slot],
        ALL: list(trained.values()),
    }
    return gradient_norms(losses, targets)
