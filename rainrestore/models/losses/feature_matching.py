"""Feature matching between a true and a restored image."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rainrestore.registry import MODELS


@MODELS.register_module()
class FeatureMatchingLoss(nn.Module):
    """L1 distance between the features of a discriminator for H and H^ (pix2pixHD, Wang et al. 2018).

    ``loss_weight * sum over layers of mean |phi_l(H) - phi_l(H^)|``, averaged over the scales. The logits are not
    included, because the adversarial loss uses them.

    Args:
        loss_weight: Factor, 10 as published.
    """

    def __init__(self, loss_weight: float = 10.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
        """The outputs of every layer at every scale, for H^ and H, the logits last -> a scalar."""
        scales = [
            torch.stack([F.l1_loss(a.float(), b.detach().float()) for a, b in zip(one[:-1], other[:-1], strict=True)])
            for one, other in zip(fake, real, strict=True)
        ]
        return self.loss_weight * torch.stack([layers.sum() for layers in scales]).mean()
