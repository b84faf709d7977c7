"""Base class of all trained restorers."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from rainrestore.optional import optional_import
from rainrestore.registry import MODELS

if TYPE_CHECKING:
    from mmagic.structures import DataSample


def build_slot(config: dict | None, **defaults: Any) -> Any:
    """Build a slot of a restorer; an empty slot (None) is left empty. ``defaults`` yield to the config."""
    return None if config is None else MODELS.build({**defaults, **config})


class BaseRestorer(BaseModel):
    """A learning scheme on mmengine's BaseModel.

    ``mode='tensor'`` gives the dict of :meth:`restore`; ``'loss'`` the losses; ``'predict'`` the data samples, each
    with an ``output`` sample on the network's device, with ``pred_img`` (3, H, W) in [0, 255], neither rounded nor
    padded, as mmagic's metrics expect; ``lr_img``, ``streak``, ``transmission``, ``airlight`` and ``parsing`` in [0,
    1].
    """

    frozen_bn: tuple[str, ...] = ()

    def __init__(self, data_preprocessor: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(MODELS.build(data_preprocessor or {'type': 'RestorationPreprocessor'}), init_cfg)

    def freeze_bn(self, slots: Sequence[str]) -> None:
        """Let the batch norms of pre-trained slots use their running statistics in training, and not update them.

        Every face of a batch has its own haze, so the statistics of a batch differ, and the predictions of the module
        become worse.

        Raises:
            ValueError: A slot that is not there, or empty.
        """
        for name in slots:
            if not isinstance(getattr(self, name, None), nn.Module):
                raise ValueError(f'freeze_bn names {name!r}, which is no filled slot')
        self.frozen_bn = tuple(slots)

    def train(self, mode: bool = True) -> 'BaseRestorer':
        """As ``nn.Module.train``, but for :meth:`freeze_bn`."""
        super().train(mode)
        for name in self.frozen_bn:
            for module in getattr(self, name).modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    @abstractmethod
    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, h, w) in [0, 1] -> the outputs by the names of the output sample, in [0, 1]."""

    def remove_rain(self, inputs: Tensor) -> dict[str, Tensor]:
        """J, S, T and A as in :meth:`restore`, for whole photos, without restoring a face."""
        return self.restore(inputs)

    @abstractmethod
    def losses(self, inputs: Tensor, data_samples: 'Sequence[DataSample]') -> dict[str, Tensor]:
        """I and its truth -> named losses; those whose name contains 'loss' are summed."""

    def forward(self, inputs: Tensor, data_samples: 'Sequence[DataSample] | None' = None, mode: str = 'tensor') -> Any:
        if mode == 'tensor':
            return self.restore(inputs)
        if mode == 'loss':
            return self.losses(inputs, data_samples or ())
        if mode == 'predict':
            return self.pack(self.restore(inputs), data_samples, len(inputs))
        raise ValueError(f"mode must be 'tensor', 'loss' or 'predict', got {mode!r}")

    @staticmethod
    def pack(outputs: dict[str, Tensor], data_samples: 'Sequence[DataSample] | None', count: int) -> 'list[DataSample]':
        """One data sample per picture, with ``output``."""
        data_sample = optional_import('mmagic.structures', "mode='predict'").DataSample
        samples = [data_sample() for _ in range(count)] if data_samples is None else list(data_samples)
        maps = {name: value.detach().float() for name, value in outputs.items()}
        if 'pred_img' in maps:
            maps['pred_img'] = maps['pred_img'].clamp(0, 1) * 255
        for index, sample in enumerate(samples):
            sample.output = data_sample(**{name: value[index] for name, value in maps.items()})
        return samples

    def truth(self, data_samples: 'Sequence[DataSample]', key: str) -> Tensor:
        """Stack a field of the samples, maps channels last in memory; pictures stored as uint8 come in [0, 1].

        Raises:
            KeyError: A sample lacks it; the message says which transform makes it.
        """
        missing = [sample.metainfo.get('name', '?') for sample in data_samples if key not in sample]
        if missing or not data_samples:
            raise KeyError(
                f'{type(self).__name__} trains on {key!r}, which the samples {missing[:3]} lack: the pipeline needs '
                'ScaleAwareHeavyRain, ParsingTarget where faces are parsed, RaindropsOnGlass where drops are removed'
            )
        stacked = torch.stack([getattr(sample, key) for sample in data_samples])
        if stacked.dim() == 4:
            stacked = stacked.contiguous(memory_format=torch.channels_last)
        return stacked.float() / 255 if stacked.dtype == torch.uint8 else stacked

    def rain_parameters(self, data_samples: 'Sequence[DataSample]') -> dict[str, Tensor]:
        """The true S, T and A, as :class:`~rainrestore.models.losses.RainParameterLoss` takes them."""
        return {key: self.truth(data_samples, key) for key in ('streak', 'transmission', 'airlight')}
