"""Distributed data-parallel training of restorers."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, all_reduce_params, broadcast
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from rainrestore.engine.optim import single_wrappers
from rainrestore.registry import MODEL_WRAPPERS


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes.

    There is one message per dtype, with the same layout in all processes. A gradient that is missing in this process
    counts as zero. A gradient that is missing in all processes stays None.
    """
    gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
    used = torch.tensor([float(each.grad is not None) for each in parameters], device=parameters[0].device)
    all_reduce_params([*gradients, used], op='mean')
    for parameter, gradient, is_used in zip(parameters, gradients, used.tolist(), strict=True):
        if is_used:
            parameter.grad = gradient


@MODEL_WRAPPERS.register_module()
class RestorerDataParallel(nn.Module):
    """A restorer whose gradients are averaged over the processes before each step of each optimiser.

    N processes take the same step as one process with N times the batch, for losses that are means over the batch.
    Unlike torch's ``DistributedDataParallel``, this wrapper does not depend on ``forward``. A step may call slots
    several times and with any method, and slots may be frozen or unused, as in the alternating steps of
    :class:`~rainrestore.models.restorers.AdversarialRestorer`. No option for unused parameters or static graphs is
    needed. The gradients are averaged after the backward pass, not during it.

    - Accumulated gradients are averaged once, when the optimiser steps.
    - The returned log is the mean over the processes.
    - Batch norm uses the samples of its process; with ``sync_bn='torch'`` in the config it uses the whole batch (GPUs
      only). On the change from training to evaluation, all processes get the running statistics of the first process,
      which are also saved.

    Args:
        module: The restorer, or any other mmengine ``BaseModel``.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module: Any = module
        self._averaging: set[int] = set()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the restorer."""
        return self.module(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: OptimWrapper | OptimWrapperDict) -> dict[str, Any]:
        """Step the restorer on the samples of this process; returns the log averaged over the processes."""
        for wrapper in single_wrappers(optim_wrapper):
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
        """Call ``val_step`` of the restorer."""
        return self.module.val_step(data)

    def test_step(self, data: Any) -> Any:
        """Call ``test_step`` of the restorer."""
        return self.module.test_step(data)

    def train(self, mode: bool = True) -> 'RestorerDataParallel':
        """Set the mode; before an evaluation, broadcast the buffers of the first process."""
        if self.training and not mode:
            for buffer in self.module.buffers():
                broadcast(buffer)
        return super().train(mode)


def _average_before_step(wrapper: OptimWrapper) -> None:
    """Average the gradients of the parameters before ``wrapper`` clips and steps."""
    step = wrapper.step

    # functools.wraps keeps the attributes that a scheduler sets to count the steps.
    @functools.wraps(step)
    def step_together(**kwargs: Any) -> None:
        average_gradients([parameter for group in wrapper.optimizer.param_groups for parameter in group['params']])
        step(**kwargs)

    wrapper.step = step_together
