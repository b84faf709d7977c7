"""Dead layers: layers whose weights are near zero."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rainrestore.checkpoints import is_training_only
from rainrestore.models.inspection import DEAD_WEIGHT, mean_weights, weighted_layers
from rainrestore.registry import MODELS, SCOPE

#: Seed of the reference model. The mean over thousands of weights hardly depends on it.
SEED = 0


@dataclass(frozen=True)
class LayersAudit:
    """Dead layers among the convolutions and linear layers of a restorer, without discriminators and losses.

    Attributes:
        total: Number of layers.
        dead: Dead layer -> its mean absolute weight divided by its initial mean absolute weight, below 1/100.
        dead_of_slot: Slot -> number of dead layers, number of layers.
    """

    total: int
    dead: dict[str, float]
    dead_of_slot: dict[str, tuple[int, int]]

    @property
    def share(self) -> float:
        """Fraction of dead layers."""
        return len(self.dead) / self.total if self.total else 0.0


def audit_layers(model: nn.Module, config: Mapping[str, Any]) -> LayersAudit:
    """Compare the mean absolute weight of each layer with its initial value.

    The reference is a new model from the config, with a fixed seed. Layers with zero initial weights are excluded. A
    convolution before a batch norm may have small weights without an effect on the output, but not zero weights.

    Args:
        model: A trained restorer.
        config: Config of the model.
    """
    fresh = mean_weights(weighted_layers(fresh_model(config)))
    trained = {
        name: size
        for name, size in mean_weights(weighted_layers(model)).items()
        if not is_training_only(name) and fresh.get(name, 0) > 0
    }
    dead = {name: size / fresh[name] for name, size in trained.items() if size < DEAD_WEIGHT * fresh[name]}
    of_slot: dict[str, tuple[int, int]] = {}
    for name in trained:
        slot = name.partition('.')[0]
        found, total = of_slot.get(slot, (0, 0))
        of_slot[slot] = (found + (name in dead), total + 1)
    return LayersAudit(len(trained), dead, of_slot)


def fresh_model(config: Mapping[str, Any]) -> nn.Module:
    """A new model from a config, with a fixed seed; the global random state is not changed."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        return MODELS.build({'_scope_': SCOPE, **config})
