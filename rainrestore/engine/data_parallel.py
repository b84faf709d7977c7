"""Restorers on several processes, each with its share of the batch, that remain one model."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, broadcast
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from rainrestore.registry import MODEL_WRAPPERS


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes.

    One message for each type of number, of the same layout whatever was used in this process: a gradient that is
    missing here counts as zero, and one that is missing everywhere stays missing.
    """
    for dtype in dict.fromkeys(parameter.dtype for parameter in parameters):
        alike = [parameter for parameter in parameters if parameter.dtype == dtype]
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in alike]
        there = torch.tensor([each.grad is not None for each in alike], dtype=dtype, device=alike[0].device)
        message = torch.cat([*(gradient.flatten() for gradient in gradients), there])
        all_reduce(message, 'mean')
        *means, used = message.split([*(each.numel() for each in alike), len(alike)])
        for parameter, gradient, mean, is_used in zip(alike, gradients, means, used.tolist(), strict=True):
            if is_used:
                parameter.grad = gradient.copy_(mean.view(gradient.shape))


@MODEL_WRAPPERS.register_module()
class RestorerDataParallel(nn.Module):
    """A restorer whose gradients are averaged over the processes before each step of each optimiser.

    So N processes take the same step as one with N times the batch, for losses that are means over the batch. In
    difference to torch's ``DistributedDataParallel``, forward is not involved: slots may be called several times a
    step, by any of their methods, with some of them frozen or unused, as
    :class:`~rainrestore.models.restorers.AdversarialRestorer` does in its alternating steps, and nothing has to be
    said about unused parameters or static graphs. The gradients travel after the backward pass instead of during it.

    - Where gradients are accumulated, they are averaged once, when the optimiser steps.
    - The returned log is the mean over the processes as well.
    - Each process normalises by its share of the batch (``sync_bn='torch'`` in the config for all of it, on GPUs). When
      training is left for evaluation, all take the running statistics of the first process, which are those saved.

    Args:
        module: the restorer, or any other mmengine ``BaseModel``.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module: Any = module
        self._averaging: set[int] = set()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the restorer's."""
        return self.module(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: OptimWrapper | OptimWrapperDict) -> dict[str, Any]:
        """The restorer's step on this process's share of the batch; returns the log of the whole."""
        wrappers = optim_wrapper.values() if isinstance(optim_wrapper, OptimWrapperDict) else [optim_wrapper]
        for wrapper in wrappers:
            if id(wrapper) not in self._averaging:
                self._averaging.add(id(wrapper))
                _average_before_step(wrapper)
        log: dict[str, Any] = self.module.train_step(data, optim_wrapper)
        scalars = {name: value.detach() for name, value in log.items() if isinstance(value, Tensor)}
        if scalars:
            means = torch.stack([value.double().mean() for value in scalars.values()])
            all_reduce(means, 'mean')
            log = {**log, **dict(zip(scalars, means.unbind(), strict=True))}
        return log

    def val_step(self, data: Any) -> Any:
        """The restorer's."""
        return self.module.val_step(data)

    def test_step(self, data: Any) -> Any:
        """The restorer's."""
        return self.module.test_step(data)

    def train(self, mode: bool = True) -> 'RestorerDataParallel':
        """All processes together."""
        if self.training and not mode:
            for buffer in self.module.buffers():
                broadcast(buffer)
        return super().train(mode)


def _average_before_step(wrapper: OptimWrapper) -> None:
    """Average the gradients of ``wrapper``'s parameters before it clips and steps, for any class of wrapper."""
    step = wrapper.step

    # with the attributes of a scheduler, which counts the steps
    @functools.wraps(step)
    def step_together(**kwargs: Any) -> None:
        average_gradients([parameter for group in wrapper.optimizer.param_groups for parameter in group['params']])
        step(**kwargs)

    wrapper.step = step_together
