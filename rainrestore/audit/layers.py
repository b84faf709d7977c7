"""Layers whose weights are near zero, and their effect."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rainrestore.audit.faces import predict
from rainrestore.audit.slots import recorded
from rainrestore.checkpoints import is_training_only
from rainrestore.models.inspection import SMALL_WEIGHT, mean_weights, named_tensors, weighted_layers
from rainrestore.registry import MODELS, SCOPE

#: Seed of the reference model. The mean over thousands of weights hardly depends on it.
SEED = 0
#: Relative change of an output below which a layer has no effect.
NO_EFFECT = 1e-3


@dataclass(frozen=True)
class LayersAudit:
    """Small and dead layers among the convolutions and linear layers of a restorer, without discriminators and losses.

    Attributes:
        total: Number of layers.
        small: Small layer -> its mean absolute weight divided by its initial mean absolute weight, below 1/100.
        small_of_slot: Slot -> number of small layers, number of layers.
        dead: The small layers that a restoration calls and that have no effect: if the weights of the layer were zero,
            no output would change by more than 1/1000 of its mean absolute value.
    """

    total: int
    small: dict[str, float]
    small_of_slot: dict[str, tuple[int, int]]
    dead: tuple[str, ...] = ()


def audit_layers(model: nn.Module, config: Mapping[str, Any], batch: dict[str, Any]) -> LayersAudit:
    """Compare the mean absolute weight of each layer with its initial value.

    The reference is a new model from the config, with a fixed seed. Layers with zero initial weights are excluded. The
    scale of a convolution before a batch norm, or under a spectral norm, has no effect, so a small layer may be alive.
    Therefore the output of each small layer is replaced in turn by its bias, and the outputs of the model are compared.

    Args:
        model: A trained restorer in evaluation mode.
        config: Config of the model.
        batch: Test faces for the outputs.
    """
    fresh = mean_weights(weighted_layers(fresh_model(config)))
    trained = {
        name: size
        for name, size in mean_weights(weighted_layers(model)).items()
        if not is_training_only(name) and fresh.get(name, 0) > 0
    }
    small = {name: size / fresh[name] for name, size in trained.items() if size < SMALL_WEIGHT * fresh[name]}
    found, totals = (Counter(name.partition('.')[0] for name in names) for names in (small, trained))
    of_slot = {slot: (found[slot], total) for slot, total in totals.items()}
    return LayersAudit(len(trained), small, of_slot, tuple(_without_effect(model, list(small), batch)))


def _without_effect(model: nn.Module, names: list[str], batch: dict[str, Any]) -> Iterator[str]:
    """The layers that could have zero weights without a change of the outputs.

    The weights do not change, because a spectral norm would divide a weight of zero by its norm.
    """
    if not names:
        return
    before = _outputs(model, batch)
    for name in names:
        layer = model.get_submodule(name)
        with recorded({name: layer}) as calls, layer.register_forward_hook(_bias_alone):
            after = _outputs(model, batch)
        # The hook has no effect on weights that are read without a call of the layer, as in nn.MultiheadAttention.
        if calls[name] and all(
            (after[key] - values).abs().mean() <= NO_EFFECT * values.abs().mean() for key, values in before.items()
        ):
            yield name


def _bias_alone(layer: Any, inputs: Any, output: Tensor) -> Tensor:
    """A forward hook that returns the output that a convolution or linear layer would have with zero weights."""
    zeros = torch.zeros_like(output)
    if layer.bias is None:
        return zeros
    sides = 0 if isinstance(layer, nn.Linear) else len(layer.kernel_size)
    return zeros + layer.bias.to(output.dtype).view(-1, *[1] * sides)


def _outputs(model: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
    return {
        f'{number}.{key}': values.float()
        for number, sample in enumerate(predict(model, batch))
        for key, values in named_tensors(sample['output']).items()
    }


def fresh_model(config: Mapping[str, Any]) -> nn.Module:
    """A new model from a config, with a fixed seed; the global random state is not changed."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        return MODELS.build({'_scope_': SCOPE, **config})
