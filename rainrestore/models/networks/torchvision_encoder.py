"""Encoders from torchvision, with optional ImageNet weights."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from rainrestore.checkpoints import load_checkpoint
from rainrestore.errors import ConfigError
from rainrestore.models.networks.encoders import PyramidEncoder
from rainrestore.optional import optional_import
from rainrestore.registry import MODELS

#: Network -> the modules whose outputs are the levels of the feature pyramid, fine to coarse.
LEVELS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ('densenet121', 'densenet169', 'densenet201'),
        ('features.pool0', 'features.transition1', 'features.transition2', 'features.transition3'),
    ),
    **dict.fromkeys(('resnet18', 'resnet34', 'resnet50', 'resnet101'), ('layer1', 'layer2', 'layer3', 'layer4')),
    'vgg16_bn': ('features.5', 'features.12', 'features.22', 'features.32', 'features.42'),
    'vgg19_bn': ('features.5', 'features.12', 'features.25', 'features.38', 'features.51'),
}
#: Mean and standard deviation of ImageNet in RGB; torchvision's weights expect inputs normalised with them.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@MODELS.register_module()
class TorchvisionEncoder(PyramidEncoder):
    """A feature pyramid from a network of torchvision: DenseNet, ResNet or VGG with batch norm.

    The paper uses DenseNet for HRRM's encoder, and names VGG and ResNet as alternatives. The levels are

    - DenseNet: the first pooling and transitions 1 to 3, strides 4, 8, 16, 32;
    - ResNet: stages 1 to 4, strides 4, 8, 16, 32;
    - VGG: the last ReLU of each block, strides 1, 2, 4, 8, 16.

    The image is normalised with the mean and standard deviation of ImageNet, with and without pre-trained weights.

    Args:
        name: Name of the network, such as ``densenet121``, ``resnet18`` or ``vgg16_bn``.
        weights: None: random weights. A name of torchvision, such as ``DEFAULT`` or ``IMAGENET1K_V1``: torchvision
            downloads the weights. Otherwise the path of a state dict with torchvision's keys.
        in_channels: Channels of the image; must be 3.

    Raises:
        ConfigError: An unknown network, ``in_channels`` other than 3, or weights that do not exist or do not fit.
        MissingPackageError: torchvision is not installed.
    """

    def __init__(self, name: str = 'densenet121', weights: str | None = None, in_channels: int = 3) -> None:
        if name not in LEVELS:
            raise ConfigError(f'TorchvisionEncoder: name must be one of {", ".join(LEVELS)}, got {name!r}')
        if in_channels != len(MEAN):
            raise ConfigError(f'TorchvisionEncoder: in_channels must be 3, got {in_channels}')
        models = optional_import('torchvision.models', 'TorchvisionEncoder')
        file = weights if weights is not None and Path(weights).is_file() else None
        known = ('DEFAULT', *(entry.name for entry in models.get_model_weights(name)))
        if weights not in (None, file, *known):
            raise ConfigError(
                f'TorchvisionEncoder: weights {weights!r} are neither a file nor one of {", ".join(known)} ({name})'
            )
        network = models.get_model(name, weights=weights if file is None else None)
        if file is not None:
            self._load(network, name, file)
        super().__init__(self._levels(network, LEVELS[name]), (), ())
        self.register_buffer('mean', torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.out_channels, self.strides = self._measure()

    mean: Tensor
    std: Tensor

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, 3, h, w) in [0, 1], sides multiples of ``strides[-1]`` -> one feature map per level, fine to coarse."""
        return super().forward((image - self.mean) / self.std)

    @staticmethod
    def _load(network: nn.Module, name: str, path: str) -> None:
        state = load_checkpoint(path)['state_dict']
        own = network.state_dict()
        wrong = [key for key, value in own.items() if key not in state or state[key].shape != value.shape]
        # The classifier is not used, and old files lack num_batches_tracked.
        wrong = [key for key in wrong if not key.startswith(('classifier', 'fc')) and 'num_batches' not in key]
        if wrong:
            raise ConfigError(f'TorchvisionEncoder: {path}: {wrong[0]!r} of {name} is missing or has another shape')
        network.load_state_dict({key: state[key] for key in own if key in state}, strict=False)

    @staticmethod
    def _levels(network: nn.Module, ends: Sequence[str]) -> list[nn.Module]:
        """Cut the chain of modules after each of ``ends``, in this order, and drop the modules after the last one."""
        depth = ends[0].count('.')
        chain = network.get_submodule(ends[0].rpartition('.')[0]) if depth else network
        keys, modules = zip(*chain.named_children(), strict=True)
        cuts = [0, *(keys.index(end.rpartition('.')[2]) + 1 for end in ends)]
        return [nn.Sequential(*modules[start:stop]) for start, stop in pairwise(cuts)]

    @torch.no_grad()
    def _measure(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Channels and strides of the levels, measured with an image of 64x64 pixels."""
        self.eval()
        features = self(torch.zeros(1, 3, 64, 64))
        self.train()
        return tuple(x.shape[1] for x in features), tuple(64 // x.shape[-1] for x in features)
