"""LPIPS: the perceptual distance of two images, on features of an ImageNet network."""

import os
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.evaluation.functional import PEAK
from rainrestore.evaluation.metrics import PairMetric
from rainrestore.optional import installer
from rainrestore.registry import METRICS
from rainrestore.torch_files import read_torch_file

BACKBONE_VARIABLE = 'RAINRESTORE_LPIPS_BACKBONE'

#: Backbone -> torchvision's names of the network and its weights, and the least side that its poolings allow.
BACKBONES: dict[str, tuple[str, str, int]] = {
    'alex': ('AlexNet', 'AlexNet_Weights', 31),
    'vgg': ('VGG16', 'VGG16_Weights', 16),
}


@METRICS.register_module()
class LPIPS(PairMetric):
    """Learned perceptual image patch similarity (Zhang et al. 2018), version 0.1 of the package ``lpips``.

    d = sum over five layers l of mean over positions of w_l . (phi_l(H^) - phi_l(H))^2. phi_l are the activations of an
    ImageNet network, normalised over channels at each position. The package contains the weights w_l, learned from
    human judgements. 0 for equal images; larger is worse. Images are RGB of original size, not rounded, scaled to
    [-1, 1]; a map of one channel is repeated.

    The ImageNet weights are read from ``weights``, else from the file in ``RAINRESTORE_LPIPS_BACKBONE``, else
    torchvision downloads them once.

    Args:
        net: ``'alex'`` (AlexNet, used in most papers) or ``'vgg'`` (VGG16).
        weights: Path of a state dict (``.pth``) of torchvision's AlexNet or VGG16, or of its ``features``.
        **options: Arguments of :class:`PairMetric`.

    Keys: ``LPIPS`` for AlexNet, ``LPIPS_vgg``; with ``_<pred_key>`` for another image than the restored face.

    Raises:
        ConfigError: In the constructor: an unknown ``net``, a missing package, or no usable weights. During the
            evaluation: images that are too small.
    """

    name = 'LPIPS'

    def __init__(self, net: str = 'alex', weights: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        if net not in BACKBONES:
            raise ConfigError(f'LPIPS: net must be one of {", ".join(BACKBONES)}, got {net!r}')
        if net != 'alex':
            self.key += f'_{net}'
        self.least_side = BACKBONES[net][2]
        self.network = _build(net, weights)

    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """LPIPS of each image."""
        if min(pred.shape[-2:]) < self.least_side:
            raise ConfigError(
                f'{self.key} needs sides of at least {self.least_side}, the images have '
                f'{pred.shape[-1]}x{pred.shape[-2]}; choose another pred_key'
            )
        pair = [(side.float() / (PEAK / 2) - 1).expand(-1, 3, -1, -1) for side in (pred, gt)]
        with torch.no_grad():
            return self.network(*pair).flatten().double()


def _build(net: str, weights: str | None) -> nn.Module:
    try:
        import lpips
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'LPIPS needs the package lpips, of which {error.name!r} is not installed: {installer()}'
        ) from error
    origin, state = _weights(net, weights)
    with warnings.catch_warnings():
        # lpips 0.1.4 uses arguments that torchvision has deprecated.
        warnings.filterwarnings('ignore', category=UserWarning, module='torchvision')
        network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    _load_backbone(network.net, state, f"LPIPS: {origin} is no state dict of torchvision's {BACKBONES[net][0]}")
    return network.requires_grad_(False).eval()


def _weights(net: str, weights: str | None) -> tuple[str, dict[str, Any]]:
    """The source of the backbone's weights, for messages, and the weights."""
    named = weights or os.environ.get(BACKBONE_VARIABLE)
    if not named:
        return 'the download', _torchvision(net)
    path, origin = Path(named).expanduser(), f'weights={weights!r}' if weights else f'{BACKBONE_VARIABLE}={named}'
    if not path.is_file():
        raise ConfigError(f'LPIPS: {origin}: no such file')
    try:
        state = read_torch_file(path, 'cpu')
    except CheckpointError as error:
        raise ConfigError(f'LPIPS: {origin}: not a file of weights, or damaged ({error})') from error
    if not isinstance(state, dict):
        raise ConfigError(f'LPIPS: {origin}: contains a {type(state).__name__}, not a state dict')
    return origin, state


def _load_backbone(backbone: nn.Module, source: dict[str, Any], problem: str) -> None:
    # lpips cuts torchvision's `features` into slices and keeps the indices: slice2.3.weight is features.3.weight.
    prefix = 'features.' if any(key.startswith('features.') for key in source) else ''
    found = {}
    for key, value in backbone.state_dict().items():
        name = prefix + key.split('.', 1)[1]
        given = source.get(name)
        if not isinstance(given, Tensor) or given.shape != value.shape:
            what = f'is {tuple(given.shape)}' if isinstance(given, Tensor) else 'is missing'
            raise ConfigError(f'{problem}: {name} {what}, expected {tuple(value.shape)}')
        found[key] = given.float()
    backbone.load_state_dict(found)


def _torchvision(net: str) -> dict[str, Any]:
    import torchvision

    chosen = getattr(torchvision.models, BACKBONES[net][1]).IMAGENET1K_V1
    try:
        return chosen.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            f"LPIPS: torchvision's {BACKBONES[net][0]} weights cannot be downloaded ({error}); set weights= in the "
            f'config or the environment variable {BACKBONE_VARIABLE} to a local file'
        ) from error
