"""The perceptual loss on VGG16 features."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from rainrestore.errors import CheckpointError
from rainrestore.optional import optional_import
from rainrestore.registry import MODELS

BUNDLED_VGG = Path(__file__).parents[2] / 'assets' / 'vgg16_relu3_3.safetensors'
BUNDLED_VGG_SHA256 = '80d061f279fa0a9f4bde3ba574755150f7b967351172bc780914a2b1cc8b2411'
# VGG16 up to relu3_3: output widths, with 'M' for max pooling; and the index of each named activation in the sequence.
_LAYERS = (64, 64, 'M', 128, 128, 'M', 256, 256, 256)
_TAPS = {'relu1_1': 1, 'relu1_2': 3, 'relu2_1': 6, 'relu2_2': 8, 'relu3_1': 11, 'relu3_2': 13, 'relu3_3': 15}


def _bundled_weights() -> dict[str, Tensor]:
    if not BUNDLED_VGG.is_file():
        raise CheckpointError(
            f'{BUNDLED_VGG.name} is missing from the package: reinstall it, or use weights="torchvision"'
        )
    content = BUNDLED_VGG.read_bytes()
    if hashlib.sha256(content).hexdigest() != BUNDLED_VGG_SHA256:
        raise CheckpointError(f'{BUNDLED_VGG.name} is damaged (sha256 differs): reinstall the package')
    return load(content)


def _torchvision_weights() -> dict[str, Tensor]:
    models = optional_import('torchvision.models', "weights='torchvision'")
    state = models.VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
    return {key.removeprefix('features.'): value for key, value in state.items() if key.startswith('features.')}


class VGG16Features(nn.Module):
    """Activations of the ImageNet VGG16 (Simonyan & Zisserman 2015) up to relu3_3, frozen; not part of checkpoints.

    Args:
        taps: Names of the activations to return.
        weights: 'bundled' (half precision file of this package, checked by SHA-256) or 'torchvision' (downloaded once).

    Raises:
        ValueError: An unknown activation or source of weights.
        CheckpointError: The bundled file is missing or damaged.
        MissingPackageError: torchvision is not installed.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, taps: tuple[str, ...], weights: str = 'bundled') -> None:
        super().__init__()
        unknown = [tap for tap in taps if tap not in _TAPS]
        if unknown or not taps:
            raise ValueError(f'unknown VGG layers {unknown}: choose from {", ".join(_TAPS)}')
        sources = {'bundled': _bundled_weights, 'torchvision': _torchvision_weights}
        if weights not in sources:
            raise ValueError(f"weights must be 'bundled' or 'torchvision', got {weights!r}")
        layers: list[nn.Module] = []
        width = 3
        for layer in _LAYERS:
            if isinstance(layer, str):
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(width, layer, 3, padding=1), nn.ReLU()]
                width = layer
        self.taps = {_TAPS[tap]: tap for tap in taps}
        self.layers = nn.Sequential(*layers[: max(self.taps) + 1])
        source = sources[weights]()
        self.layers.load_state_dict({key: source[key].float() for key in self.layers.state_dict()})
        self.register_buffer('mean', torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()
        # The hooks keep these weights out of checkpoints: removed on saving, unchanged on loading.
        self.register_state_dict_post_hook(_drop_weights)
        self.register_load_state_dict_pre_hook(_keep_weights)

    def train(self, mode: bool = True) -> 'VGG16Features':
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """RGB (N, 3, H, W) in [0, 1] -> the named activations."""
        x = (image - self.mean) / self.std
        features = {}
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.taps:
                features[self.taps[index]] = x
        return features


class MeanSquare(Function):
    """mean (x - y)^2 of two tensors of one type, summed in at least single precision; only x gets a gradient.

    ``F.mse_loss`` in single precision would first convert all half-precision features, forwards and backwards. This
    conversion takes a fifth of the time of the perceptual loss. Here the difference keeps its type. It is converted,
    squared and summed in single precision for one image at a time. Double precision stays double.
    """

    @staticmethod
    def forward(context: Any, x: Tensor, y: Tensor) -> Tensor:
        difference = x - y
        context.save_for_backward(difference)
        exact = torch.promote_types(x.dtype, torch.float32)
        sums = [image.to(exact).square().sum() for image in difference]
        return torch.stack(sums).sum() / difference.numel()

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (difference,) = context.saved_tensors
        return difference * (gradient * 2 / difference.numel()), None


def _drop_weights(_: nn.Module, state: dict[str, Any], prefix: str, __: object) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        del state[key]


def _keep_weights(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    state.update({f'{prefix}{key}': value for key, value in module.named_parameters()})


@MODELS.register_module()
class PerceptualLoss(nn.Module):
    """vgg(H, H^) = loss_weight * sum over layers of mean (phi_l(H) - phi_l(H^))^2 (paper eqs. 20, 27).

    The paper writes squared norms. Here they are means, because the sums are four to six orders of magnitude larger
    than the other terms. The features of the ground truth get no gradient.

    Args:
        layers: The activations phi_l.
        loss_weight: Factor of the loss: 0.1 in rain removal, 1e-3 in the generator's loss.
        weights: Source of the VGG16 weights; see :class:`VGG16Features`.
    """

    def __init__(
        self,
        layers: tuple[str, ...] = ('relu1_1', 'relu2_2', 'relu3_3'),
        loss_weight: float = 1e-3,
        weights: str = 'bundled',
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.vgg = VGG16Features(tuple(layers), weights)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """H^ and H, RGB (N, 3, H, W) in [0, 1] -> a scalar."""
        with torch.no_grad():
            truth = self.vgg(target)
        features = self.vgg(prediction)
        terms = [MeanSquare.apply(features[name], truth[name]) for name in features]
        return self.loss_weight * torch.stack(terms).sum()
