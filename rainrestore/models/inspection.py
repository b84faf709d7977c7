"""Measurements inside a network: mean weights, spread of the outputs, gradients of the losses.

The audit of a trained model (``rainrestore.audit``) and the hook that monitors a training
(:class:`rainrestore.engine.TrainingWatchHook`) use them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrize import is_parametrized
from torch.utils._pytree import tree_flatten_with_path, tree_map

#: A layer counts as small if its mean absolute weight is below this fraction of the initial value.
SMALL_WEIGHT = 0.01
#: Below this spread (:func:`relative_spread`) an output counts as constant. The resolution of bfloat16 is 0.004.
CONSTANT_SPREAD = 1e-3
#: Name of the slot inside a generator, as in ``FCGGenerator(trunk=...)``.
TRUNK = 'trunk'


def slot_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The child modules of a model and their ``trunk``, by name, without the data preprocessor.

    The items of a ``ModuleDict`` or ``ModuleList`` count as children: ``local_discriminators.eyes``.
    """
    found: dict[str, nn.Module] = {}
    for name, child in model.named_children():
        if isinstance(child, BaseDataPreprocessor):
            continue
        items = child.named_children() if isinstance(child, (nn.ModuleDict, nn.ModuleList)) else [('', child)]
        for key, part in items:
            slot = f'{name}.{key}' if key else name
            found[slot] = part
            trunk = getattr(part, TRUNK, None)
            if isinstance(trunk, nn.Module):
                found[f'{slot}.{TRUNK}'] = trunk
    return found


def map_tensors(function: Callable[..., Any], first: Any, *others: Any) -> Any:
    """Apply ``function`` to the tensors of nested values, and keep the nesting.

    Args:
        function: Called with the tensors at the same position of each value.
        first: A tensor, or any nesting of dicts, lists, tuples and named tuples; other values do not change.
        *others: Values with the same nesting.
    """
    return tree_map(lambda value, *rest: function(value, *rest) if isinstance(value, Tensor) else value, first, *others)


def named_tensors(value: Any) -> dict[str, Tensor]:
    """The tensors of a nested value, by dotted names: fields of named tuples, keys of dicts, indices of lists."""
    leaves: list[tuple[Any, Any]] = tree_flatten_with_path(value)[0]
    # A step of a path is a dataclass with one attribute: the field, the key or the index.
    return {
        '.'.join(str(name) for step in path for name in astuple(step)): leaf
        for path, leaf in leaves
        if isinstance(leaf, Tensor)
    }


def weighted_layers(network: nn.Module) -> dict[str, nn.Module]:
    """The convolutions and linear layers of a network, by name."""
    return {name: part for name, part in network.named_modules() if isinstance(part, (_ConvNd, nn.Linear))}


@torch.no_grad()
def mean_weights(layers: Mapping[str, nn.Module]) -> dict[str, float]:
    """Mean absolute weight of each layer, without biases."""
    if not layers:
        return {}
    # One transfer from the device for all layers.
    sizes = torch.stack([_stored_weight(layer).abs().mean(dtype=torch.float32) for layer in layers.values()])
    return dict(zip(layers, sizes.tolist(), strict=True))


def _stored_weight(layer: Any) -> Tensor:
    """The stored weight. Reading the parametrised weight of a spectral norm would update its state."""
    if not is_parametrized(layer, 'weight'):
        return layer.weight.detach()
    parametrisation = layer.parametrizations['weight']
    # A weight norm stores two tensors; the first is the norm.
    return getattr(parametrisation, 'original' if hasattr(parametrisation, 'original') else 'original0').detach()


def relative_spread(values: Tensor) -> float:
    """Relative difference of an output between the samples of a batch: ``max |x_n - x_1| / max |x|``; 0 if x is zero.

    Args:
        values: (N, ...), N at least 2.
    """
    values = values.detach().float()
    largest = values.abs().max()
    return float((values[1:] - values[:1]).abs().max() / largest) if largest > 0 else 0.0


def gradient_norms(
    losses: Mapping[str, Tensor], targets: Mapping[str, Sequence[Tensor]]
) -> dict[str, dict[str, float]]:
    """L2 norm of the gradient of each loss, for each group of tensors.

    The graph is retained and ``.grad`` is not changed, so that a training step can use the same losses afterwards.

    Args:
        losses: Scalars by name.
        targets: Groups of tensors by name: weights, or outputs inside the graph.

    Returns:
        Loss -> group -> norm; 0 if the loss does not depend on the group.
    """
    places = [(group, tensor) for group, members in targets.items() for tensor in members]
    norms: dict[str, dict[str, float]] = {}
    for name, loss in losses.items():
        squares: dict[str, list[Tensor]] = {group: [] for group in targets}
        if loss.requires_grad and places:
            gradients = torch.autograd.grad(
                loss, [tensor for _, tensor in places], retain_graph=True, allow_unused=True
            )
            for (group, _), gradient in zip(places, gradients, strict=True):
                if gradient is not None:
                    squares[group].append(gradient.float().square().sum())
        norms[name] = {
            group: float(torch.stack(values).sum().sqrt()) if values else 0.0 for group, values in squares.items()
        }
    return norms


def gradient_shares(norms: Mapping[str, float]) -> dict[str, float]:
    """Each norm divided by the sum of all norms; 0 for each if all are 0."""
    total = sum(norms.values())
    return {name: norm / total if total else 0.0 for name, norm in norms.items()}
