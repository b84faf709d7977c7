"""Layers whose weights have fallen towards zero."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rainrestore.checkpoints import is_training_only
from rainrestore.models.inspection import DEAD_WEIGHT, mean_weights, weighted_layers
from rainrestore.registry import MODELS, SCOPE

#: Of the freshly built model; a mean over thousands of weights hardly depends on it.
SEED = 0


@dataclass(frozen=True)
class LayersAudit:
    """The convolutions and linear layers that restore; discriminators and losses do not count.

    Attributes:
        total: How many there are.
        dead: Name -> mean absolute weight divided by that of the same layer in a freshly built model, for those below
            1/100.
        dead_of_slot: Slot -> dead layers and layers in it.
    """

    total: int
    dead: dict[str, float]
    dead_of_slot: dict[str, tuple[int, int]]

    @property
    def share(self) -> float:
        """Dead layers of all."""
        return len(self.dead) / self.total if self.total else 0.0


def audit_layers(model: nn.Module, config: Mapping[str, Any]) -> LayersAudit:
    """Compare the size of each layer's weights with that at the start of a training.

    The reference is the model as its constructor makes it from the config, with a fixed seed; layers that start at
    zero are left out. A convolution before a batch norm may shrink without effect, but not to zero.

    Args:
        model: A trained restorer.
        config: Of the model.
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
    """The model of a config before any training, from a fixed seed; the random state stays as it is."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        return MODELS.build({'_scope_': SCOPE, **config})
