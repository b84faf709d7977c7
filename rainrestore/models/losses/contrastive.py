"""A loss that moves the restored image towards the clean image and away from the degraded image."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rainrestore.models.losses.perceptual import VGG16Features
from rainrestore.registry import MODELS

#: Added to the denominator, so that the loss is finite if the restored image equals the input.
EPSILON = 1e-7


@MODELS.register_module()
class ContrastiveLoss(nn.Module):
    """``loss_weight * sum_l w_l mean |phi_l(H) - phi_l(H^)| / mean |phi_l(I) - phi_l(H^)|`` on VGG16 features.

    The contrastive regularisation of AECR-Net (Wu et al., CVPR 2021). The positive is the clean image H, the negative
    the degraded image I. A remnant of a raindrop is similar to I, so this loss penalises it more than a pixel loss
    does. H and I get no gradient.

    Args:
        layers: The activations phi_l.
        weights: w_l; in AECR-Net they double from layer to layer.
        loss_weight: Factor of the loss.

    Raises:
        ValueError: ``layers`` and ``weights`` differ in length, or a layer is unknown.
    """

    def __init__(
        self,
        layers: tuple[str, ...] = ('relu1_1', 'relu2_1', 'relu3_1'),
        weights: tuple[float, ...] = (0.25, 0.5, 1.0),
        loss_weight: float = 0.1,
    ) -> None:
        super().__init__()
        if len(layers) != len(weights):
            raise ValueError(f'ContrastiveLoss: {len(layers)} layers need as many weights, got {len(weights)}')
        self.loss_weight = loss_weight
        self.weights = dict(zip(layers, weights, strict=True))
        self.vgg = VGG16Features(tuple(layers))

    def forward(self, prediction: Tensor, target: Tensor, degraded: Tensor) -> Tensor:
        """H^, H and I, RGB (N, 3, H, W) in [0, 1], of one size -> a scalar."""
        with torch.no_grad():
            positive, negative = self.vgg(target), self.vgg(degraded)
        terms = [
            self.weights[name] * F.l1_loss(feature.float(), positive[name].float())
            / (F.l1_loss(feature.float(), negative[name].float()) + EPSILON)
            for name, feature in self.vgg(prediction).items()
        ]  # fmt: skip
        return self.loss_weight * torch.stack(terms).sum()
