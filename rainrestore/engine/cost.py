"""The cost of a restorer: parameters and multiply-accumulates of each slot."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from rainrestore.checkpoints import is_training_only


@dataclass(frozen=True)
class SlotCost:
    """Parameters of a slot, and its multiply-accumulates for one image; None if inference does not use the slot."""

    parameters: int
    macs: int | None


@dataclass(frozen=True)
class Cost:
    """The cost of restoring one image of ``height`` x ``width`` pixels.

    ``slots`` includes the discriminators, with their parameters only; the totals exclude them. ``macs`` is larger than
    the sum over the slots if the restorer computes outside its slots.
    """

    height: int
    width: int
    parameters: int
    macs: int
    slots: dict[str, SlotCost]


def measure_cost(model: nn.Module, height: int, width: int) -> Cost:
    """Restore one image of noise and count the multiply-accumulates (MACs).

    The counter works in torch's dispatcher. It counts convolutions (also grouped and transposed), linear layers, matrix
    products and attention exactly, in any module or function; fused attention kernels are disabled for this. Operations
    without matrix products are not counted: normalisation, activations, pooling, resizing, elementwise arithmetic. One
    MAC is two floating point operations (FLOPs) of torch.

    Args:
        model: A restorer: ``model(inputs, mode='tensor')`` restores N x 3 x h x w in [0, 1].
        height: h, in pixels.
        width: w, in pixels.

    Raises:
        ValueError: A side below 1.
    """
    if height < 1 or width < 1:
        raise ValueError(f'an image of {height}x{width} has no pixels')
    own = next((value for value in model.parameters()), torch.zeros(1))
    inputs = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0)).to(own.device)
    training = model.training
    fused = torch.backends.mha.get_fastpath_enabled()
    counter = FlopCounterMode(display=False)
    # The counter does not support fused attention kernels.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        model.eval()
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            model(inputs, mode='tensor')
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        model.train(training)
    flops = {name: sum(found.values()) for name, found in counter.get_flop_counts().items()}
    root = type(model).__name__
    slots = {}
    for name, slot in model.named_children():
        parameters = sum(value.numel() for value in slot.parameters())
        # Losses are excluded, although a perceptual loss has parameters.
        if parameters and not name.endswith('loss'):
            used = not is_training_only(name)
            slots[name] = SlotCost(parameters, flops.get(f'{root}.{name}', 0) // 2 if used else None)
    restoring = sum(cost.parameters for cost in slots.values() if cost.macs is not None)
    return Cost(height, width, restoring, flops.get('Global', 0) // 2, slots)
