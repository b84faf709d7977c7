"""The slots of a restorer, and the replacement of their outputs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rainrestore.checkpoints import is_training_only
from rainrestore.models.inspection import map_tensors, slot_modules

#: A function that runs the restorer on a batch and returns its predictions.
Run = Callable[[], Any]


def find_slots(model: nn.Module, run: Run) -> dict[str, nn.Module]:
    """The slots of :func:`rainrestore.models.inspection.slot_modules` that a restoration calls, without discriminators
    and losses, and their parts.

    The class of a slot can name submodules to audit: ``audited = ('lr_decoder', 'streak_decoder')``.

    Args:
        model: A restorer.
        run: Restores a batch.
    """
    candidates: dict[str, nn.Module] = {}
    for name, slot in slot_modules(model).items():
        if not is_training_only(name):
            candidates[name] = slot
            parts = {f'{name}.{part}': getattr(slot, part) for part in getattr(slot, 'audited', ())}
            candidates |= {part: module for part, module in parts.items() if module is not None}
    with recorded(candidates) as calls:
        run()
    return {name: candidates[name] for name, outputs in calls.items() if outputs}


@contextmanager
def recorded(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, list[Any]]]:
    """Collect the outputs of modules, one per call, inside the block."""
    calls: dict[str, list[Any]] = {name: [] for name in modules}

    def keep(name: str) -> Callable[..., None]:
        # A copy, because a later layer may work in place.
        return lambda module, inputs, output: calls[name].append(map_tensors(Tensor.clone, output))

    with ExitStack() as stack:
        for name, module in modules.items():
            stack.enter_context(module.register_forward_hook(keep(name)))
        yield calls


@contextmanager
def replaced(module: nn.Module, outputs: Sequence[Any]) -> Iterator[None]:
    """Let the n-th call of ``module`` return ``outputs[n]`` inside the block.

    A tensor with one sample is used for the whole batch.
    """
    remaining = iter(outputs)

    def replace(module: nn.Module, inputs: Any, output: Any) -> Any:
        # A copy, because a later layer may work in place.
        return map_tensors(lambda own, other: torch.empty_like(own).copy_(other), output, next(remaining))

    with module.register_forward_hook(replace):
        yield


@contextmanager
def shortened(module: nn.Module, first: nn.Module) -> Iterator[None]:
    """Let ``module`` return the output of ``first``, a layer inside it, inside the block."""
    kept: list[Tensor] = []
    keep = first.register_forward_hook(lambda inner, inputs, output: kept.append(output.clone()))
    with keep, module.register_forward_hook(lambda outer, inputs, output: kept.pop()):
        yield


def first_layer(module: nn.Module, run: Run) -> nn.Module | None:
    """The first layer of a module, if its output has the shape of the module's output.

    This is the submodule that is called first, at the outermost level (``stem``, not ``stem.0``). Wrappers that return
    the output of a single submodule are skipped.

    Args:
        module: A trunk.
        run: Restores a batch, and so calls the module.

    Returns:
        The layer; None if the shapes differ, if an output is not a tensor, or if the module has no such submodule.
    """
    started: list[nn.Module] = []
    returned: dict[nn.Module, Any] = {}

    def end(part: nn.Module, inputs: Any, output: Any) -> None:
        returned.setdefault(part, output)

    with ExitStack() as stack:
        for part in module.modules():
            stack.enter_context(part.register_forward_pre_hook(lambda begun, inputs: started.append(begun)))
            stack.enter_context(part.register_forward_hook(end))
        run()
    whole = returned.get(module)
    first = next((part for part in started if returned.get(part) is not whole), None)
    output = None if first is None else returned.get(first)
    if isinstance(output, Tensor) and isinstance(whole, Tensor) and output.shape == whole.shape:
        return first
    return None
