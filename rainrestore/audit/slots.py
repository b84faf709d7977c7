"""The slots of a restorer, and restorations with another output in the place of a slot's own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rainrestore.checkpoints import is_training_only
from rainrestore.models.inspection import map_tensors, slot_modules

#: Runs the restorer on some faces and returns its predictions.
Run = Callable[[], Any]


def find_slots(model: nn.Module, run: Run) -> dict[str, nn.Module]:
    """The slots of :func:`rainrestore.models.inspection.slot_modules` that a restoration calls, in their order.

    A discriminator is not called, and so is no slot.

    Args:
        model: A restorer.
        run: Restores a batch.
    """
    candidates = {name: part for name, part in slot_modules(model).items() if not is_training_only(name)}
    with recorded(candidates) as calls:
        run()
    return {name: candidates[name] for name, outputs in calls.items() if outputs}


@contextmanager
def recorded(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, list[Any]]]:
    """Collect the outputs of modules, one for each call, while the block runs."""
    calls: dict[str, list[Any]] = {name: [] for name in modules}

    def keep(name: str) -> Callable[..., None]:
        # Copies: a later layer may work in place.
        return lambda module, given, output: calls[name].append(map_tensors(Tensor.clone, output))

    with ExitStack() as stack:
        for name, module in modules.items():
            stack.enter_context(module.register_forward_hook(keep(name)))
        yield calls


@contextmanager
def replaced(module: nn.Module, outputs: Sequence[Any]) -> Iterator[None]:
    """Let the n-th call of ``module`` return ``outputs[n]`` in place of its own output, while the block runs.

    A tensor with one sample is used for the whole batch.
    """
    remaining = iter(outputs)

    def give(module: nn.Module, given: Any, output: Any) -> Any:
        # A copy, because later modules may work in place.
        return map_tensors(lambda own, other: torch.empty_like(own).copy_(other), output, next(remaining))

    with module.register_forward_hook(give):
        yield


@contextmanager
def shortened(module: nn.Module, first: nn.Module) -> Iterator[None]:
    """Let ``module`` return the output of ``first``, a layer inside it, while the block runs."""
    kept: list[Tensor] = []

    def keep(inner: nn.Module, given: Any, output: Tensor) -> None:
        kept.append(output.clone())

    with first.register_forward_hook(keep), module.register_forward_hook(lambda outer, given, output: kept.pop()):
        yield


def first_layer(module: nn.Module, run: Run) -> nn.Module | None:
    """The first layer of a module, if its output has the form of the module's output.

    That is the first part of the module that is called, in terms of its outermost name (``stem``, not ``stem.0``). A
    wrapper whose output is that of a single part is looked into.

    Args:
        module: A trunk.
        run: Restores a batch, and so calls the module.

    Returns:
        None where the shapes differ, or where the module has no parts.
    """
    started: list[nn.Module] = []
    returned: dict[nn.Module, Any] = {}

    def begin(part: nn.Module, given: Any) -> None:
        started.append(part)

    def end(part: nn.Module, given: Any, output: Any) -> None:
        returned.setdefault(part, output)

    with ExitStack() as stack:
        for part in module.modules():
            stack.enter_context(part.register_forward_pre_hook(begin))
            stack.enter_context(part.register_forward_hook(end))
        run()
    whole = returned.get(module)
    first = next((part for part in started if returned.get(part) is not whole), None)
    output = None if first is None else returned.get(first)
    if isinstance(output, Tensor) and isinstance(whole, Tensor) and output.shape == whole.shape:
        return first
    return None
