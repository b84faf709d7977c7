"""Optimiser wrappers: mixed precision on any device, and one optimiser per group of slots."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from rainrestore.device import has_bfloat16
from rainrestore.engine.processes import bare
from rainrestore.errors import OptionError
from rainrestore.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS


def named_wrappers(wrapper: OptimWrapper | OptimWrapperDict) -> dict[str, OptimWrapper]:
    """The optimiser wrappers of a run, which has one or one per group of slots, with names for messages."""
    if not isinstance(wrapper, OptimWrapperDict):
        return {'optimizer': wrapper}
    return {f'optimizer {name}': part for name, part in wrapper.items()}


def single_wrappers(wrapper: OptimWrapper | OptimWrapperDict) -> list[OptimWrapper]:
    """The optimiser wrappers of a run."""
    return list(named_wrappers(wrapper).values())


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Forward with ``torch.autocast`` in bfloat16, on CPUs and GPUs.

    bfloat16 has the exponent range of float32, so losses are not scaled. mmengine's ``AmpOptimWrapper`` does not
    support CPUs.

    Args:
        enabled: True trains in bfloat16, False in single precision. None: bfloat16 unless the device is a CPU that
            computes it slowly (:func:`rainrestore.device.has_bfloat16`).
        **kwargs: Arguments of mmengine's ``OptimWrapper``.
    """

    def __init__(self, enabled: bool | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.enabled = enabled

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        device = next(model.parameters()).device
        with super().optim_context(model), torch.autocast(device.type, torch.bfloat16, enabled=self.on(device)):
            yield

    def on(self, device: torch.device) -> bool:
        """Whether a forward on the device computes in bfloat16."""
        return has_bfloat16(device) if self.enabled is None else self.enabled


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SlotOptimWrapperConstructor:
    """One optimiser wrapper per group of a restorer's slots.

    Config: ``optim_wrapper=dict(constructor='SlotOptimWrapperConstructor', NAME=dict(slots=[...], type=...,
    optimizer=...))``. The parameters of a group are all parameters of its slots that require a gradient. Empty slots
    and groups without parameters are ignored, so that an ablation needs no other optimiser config.

    ``slots=dict(SLOT=FACTOR, ...)`` multiplies the learning rate of the group by a factor for each slot, for example a
    lower learning rate for pre-trained modules. A schedule must then end at an ``eta_min_ratio``, which keeps the
    factors.

    Args:
        optim_wrapper_cfg: Name of the group -> its config.
        paramwise_cfg: Must be None.

    Raises:
        OptionError: A parameter that requires a gradient belongs to no group or to two groups, factors without a
            learning rate, or ``paramwise_cfg``.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if paramwise_cfg is not None:
            raise ValueError(
                'paramwise_cfg is not supported with groups of slots: set the options in the optimizer of each group'
            )
        self.groups: Mapping[str, dict] = optim_wrapper_cfg

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        model = bare(model)
        trained = {key: value for key, value in model.named_parameters() if value.requires_grad}
        left = list(trained)
        wrappers: dict[str, OptimWrapper] = {}
        for name, group in self.groups.items():
            config = {'type': 'OptimWrapper', **group}
            slots: Sequence[str] | Mapping[str, float] = config.pop('slots')
            parameters = {key: value for key, value in trained.items() if key.split('.')[0] in slots}
            twice = parameters.keys() - left
            if twice:
                raise OptionError(f'{min(twice)} is in two groups of optim_wrapper; the second is {name!r}')
            left = [key for key in left if key not in parameters]
            if not parameters:
                MMLogger.get_current_instance().info('optim_wrapper: %s has no parameters in this model', name)
                continue
            optimizer = config.pop('optimizer')
            params: list = list(parameters.values())
            if isinstance(slots, Mapping):
                if 'lr' not in optimizer:
                    raise OptionError(f'optim_wrapper: {name}: slots with factors need an lr in optimizer')
                params = [
                    {'params': own, 'lr': factor * optimizer['lr']}
                    for slot, factor in slots.items()
                    if (own := [value for key, value in parameters.items() if key.split('.')[0] == slot])
                ]
            optimizer = OPTIMIZERS.build({**optimizer, 'params': params})
            wrappers[name] = OPTIM_WRAPPERS.build({**config, 'optimizer': optimizer})
        if left:
            raise OptionError(
                f'{len(left)} parameters (first: {left[0]}) are in no group of optim_wrapper: add their slot'
            )
        return OptimWrapperDict(**wrappers)
