"""Base class of all trained restorers."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from rainrestore.optional import optional_import
from rainrestore.registry import MODELS

if TYPE_CHECKING:
    from mmagic.structures import DataSample

#: The data samples of a batch, with their ground truth.
Samples: TypeAlias = Sequence['DataSample']


def build_slot(config: dict | None, **defaults: Any) -> Any:
    """Build a slot of a restorer; None for an empty slot. The config overrides ``defaults``."""
    return None if config is None else MODELS.build({**defaults, **config})


class BaseRestorer(BaseModel):
    """Base class of the restorers, on mmengine's BaseModel.

    :meth:`forward` returns

    - with ``mode='tensor'`` the dict of :meth:`restore`;
    - with ``mode='loss'`` the losses;
    - with ``mode='predict'`` the data samples. The field ``output`` of each is a data sample on the device of the
      network: ``pred_img`` (3, H, W) in [0, 255], not rounded, as mmagic's metrics expect; ``lr_img``, ``streak``,
      ``transmission``, ``airlight`` and ``parsing`` in [0, 1].

    Args:
        data_preprocessor: Config of the data preprocessor; None for :class:`RestorationPreprocessor`.
        init_cfg: Initialization config of mmengine.
    """

    frozen_bn: tuple[str, ...] = ()

    def __init__(self, data_preprocessor: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(MODELS.build(data_preprocessor or {'type': 'RestorationPreprocessor'}), init_cfg)

    def freeze_bn(self, slots: Sequence[str]) -> None:
        """Let the batch norms of pre-trained slots use their running statistics in training without updating them.

        The haze differs from face to face, so the statistics differ from batch to batch, which makes the predictions of
        a pre-trained module worse.

        Args:
            slots: Names of the slots.

        Raises:
            ValueError: A slot does not exist or is empty.
        """
        for name in slots:
            if not isinstance(getattr(self, name, None), nn.Module):
                raise ValueError(f'freeze_bn: the slot {name!r} does not exist or is empty')
        self.frozen_bn = tuple(slots)

    def train(self, mode: bool = True) -> 'BaseRestorer':
        """``nn.Module.train``; the batch norms of :meth:`freeze_bn` stay in evaluation mode."""
        super().train(mode)
        for name in self.frozen_bn:
            for module in getattr(self, name).modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    @abstractmethod
    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, h, w) in [0, 1] -> the outputs in [0, 1], by the field names of the output sample."""

    def remove_rain(self, inputs: Tensor, derained: bool = True) -> dict[str, Tensor]:
        """J, S, T and A as in :meth:`restore`, for whole photos, without restoring a face.

        With ``derained=False`` the caller does not need J, and a network can save its computation.
        """
        return self.restore(inputs)

    def losses(self, inputs: Tensor, data_samples: Samples) -> dict[str, Tensor]:
        """I and its ground truth -> losses by name; those with 'loss' in their name are summed.

        Raises:
            TypeError: The restorer does not define losses.
        """
        raise TypeError(f'{type(self).__name__} cannot be trained, only tested: rainrestore test CONFIG CHECKPOINT')

    def forward(self, inputs: Tensor, data_samples: Samples | None = None, mode: str = 'tensor') -> Any:
        if mode == 'tensor':
            return self.restore(inputs)
        if mode == 'loss':
            return self.losses(inputs, data_samples or ())
        if mode == 'predict':
            return self.pack(self.restore(inputs), data_samples, len(inputs))
        raise ValueError(f"mode must be 'tensor', 'loss' or 'predict', got {mode!r}")

    @staticmethod
    def pack(outputs: dict[str, Tensor], data_samples: Samples | None, count: int) -> 'list[DataSample]':
        """One data sample per image, with the field ``output``."""
        data_sample = optional_import('mmagic.structures', "mode='predict'").DataSample
        samples = [data_sample() for _ in range(count)] if data_samples is None else list(data_samples)
        maps = {name: value.detach().float() for name, value in outputs.items()}
        if 'pred_img' in maps:
            maps['pred_img'] = maps['pred_img'].clamp(0, 1) * 255
        for index, sample in enumerate(samples):
            sample.output = data_sample(**{name: value[index] for name, value in maps.items()})
        return samples

    def truth(self, data_samples: Samples, key: str) -> Tensor:
        """Stack a field of the samples, in channels-last memory format; uint8 images are scaled to [0, 1].

        Raises:
            KeyError: A sample lacks the field. The message names the transforms that write it.
        """
        missing = [sample.metainfo.get('name', '?') for sample in data_samples if key not in sample]
        if missing or not data_samples:
            raise KeyError(
                f'{type(self).__name__} needs {key!r}, which the samples {missing[:3]} lack: add ScaleAwareHeavyRain '
                'to the pipeline, ParsingTarget for face parsing, RaindropsOnGlass for raindrop removal'
            )
        stacked = torch.stack([getattr(sample, key) for sample in data_samples])
        if stacked.dim() == 4:
            stacked = stacked.contiguous(memory_format=torch.channels_last)
        return stacked.float() / 255 if stacked.dtype == torch.uint8 else stacked

    def rain_parameters(self, data_samples: Samples) -> dict[str, Tensor]:
        """The true S, T and A, as arguments of :class:`~rainrestore.models.losses.RainParameterLoss`."""
        return {key: self.truth(data_samples, key) for key in ('streak', 'transmission', 'airlight')}
