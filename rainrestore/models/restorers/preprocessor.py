"""The data preprocessor: stacks a batch of samples on the device."""

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from rainrestore.registry import MODELS


@MODELS.register_module()
class RestorationPreprocessor(BaseDataPreprocessor):
    """Stack ``inputs`` (3, h, w) uint8 to (N, 3, h, w) float in [0, 1], RGB, channels last in memory.

    ``data_samples`` stay a list. In training they move to the device; in prediction they stay on the CPU.

    Raises:
        ValueError: The images of the batch differ in size.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        images = data['inputs']
        if not isinstance(images, Tensor):
            sizes = sorted({tuple(image.shape) for image in images})
            if len(sizes) > 1:
                raise ValueError(f'the images of a batch differ in size: {sizes}; use batch_size=1 or resize them')
            images = torch.stack(list(images))
        images = images.to(self.device, non_blocking=True)
        images = images.float().div_(255).contiguous(memory_format=torch.channels_last)
        samples = data.get('data_samples')
        return {'inputs': images, 'data_samples': self.cast_data(samples) if training else samples}
