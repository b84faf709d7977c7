"""Rewrite a trained network for inference: the same function in fewer operations.

Float32 results differ by rounding errors only. A folded network cannot be trained.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rainrestore.checkpoints import is_training_only
from rainrestore.models.networks.generator import FCGGenerator
from rainrestore.models.networks.layers import unshuffled_kernel


def fold(network: nn.Module) -> nn.Module:
    """Apply :func:`fold_batch_norm` and :func:`fold_pixel_shuffle` to ``network`` in place, and return it.

    Args:
        network: A network in evaluation mode.

    Raises:
        ValueError: The network is in training mode, in which batch norm depends on the batch.
    """
    if any(part.training for part in network.modules()):
        raise ValueError('only a network in evaluation mode can be folded: call eval() first')
    fold_batch_norm(network)
    for part in network.modules():
        # A subclass may override `reconstruct`.
        if (
            isinstance(part, FCGGenerator)
            and type(part).reconstruct is FCGGenerator.reconstruct
            and not part.subpixel_head
        ):
            fold_pixel_shuffle(part)
    return network


def fold_batch_norm(network: nn.Module) -> int:
    """Fold each batch norm into the convolution before it; returns the number of folded batch norms.

    With the mean m, the variance v and the affine weights g and b of the batch norm,

        BN(w * x + c) = (w g / sqrt(v + eps)) * x + (c - m) g / sqrt(v + eps) + b.

    Only pairs in a plain ``nn.Sequential`` are folded. The pre-activation batch norms of a DenseNet are not folded, nor
    are modules that are used several times or have hooks.
    """
    places = Counter(id(part) for _, part in network.named_modules(remove_duplicate=False))
    folded = 0
    for block in list(network.modules()):
        # A subclass may call its modules in another order.
        if not isinstance(block, nn.Sequential) or type(block).forward is not nn.Sequential.forward:
            continue
        for index in range(len(block) - 1):
            convolution, norm = block[index], block[index + 1]
            if (
                isinstance(convolution, (nn.Conv2d, nn.ConvTranspose2d))
                and isinstance(norm, nn.BatchNorm2d)
                and norm.running_mean is not None
                and not any(places[id(part)] > 1 or _has_hooks(part) for part in (convolution, norm))
            ):
                block[index] = fuse_conv_bn_eval(
                    convolution, norm, transpose=isinstance(convolution, nn.ConvTranspose2d)
                )
                block[index + 1] = nn.Identity()
                folded += 1
    return folded


def fold_pixel_shuffle(generator: FCGGenerator) -> None:
    """Replace the last convolution by an equal one before the last pixel shuffle (:meth:`FCGGenerator.reconstruct`).

    The 9x9 convolution to 3 channels uses 3 of the 16 lanes of a vector unit and takes 40 % of the time of the network.
    The equal 5x5 convolution to 12 channels at half the resolution is faster.
    """
    *stages, shuffle, activation = generator.upsampler
    tail = cast(nn.Conv2d, generator.tail)
    factor = cast(nn.PixelShuffle, shuffle).upscale_factor
    kernel = unshuffled_kernel(tail.weight, factor)
    outputs, inputs, side = kernel.shape[:3]
    merged = nn.Conv2d(inputs, outputs, side, padding=side // 2).eval()
    merged.weight = nn.Parameter(kernel.detach().clone(), tail.weight.requires_grad)
    bias = cast(Tensor, tail.bias)
    merged.bias = nn.Parameter(bias.detach().repeat_interleave(factor**2), bias.requires_grad)
    generator.upsampler = nn.Sequential(*stages, activation)
    # `reconstruct` calls the tail as a module in evaluation mode, so it may be any module.
    generator.tail = nn.Sequential(merged, shuffle)


def without_training(model: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a model with ``nn.Identity`` instead of discriminators and losses, which are then not imported."""

    def emptied(part: Any) -> Any:
        if not isinstance(part, Mapping):
            return part
        return {'type': nn.Identity} if 'type' in part else {}

    return {slot: emptied(part) if is_training_only(slot) else part for slot, part in model.items()}


def _has_hooks(part: nn.Module) -> bool:
    return bool(part._forward_hooks or part._forward_pre_hooks)
