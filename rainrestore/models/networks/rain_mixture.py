"""A mixture of rain removal modules."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from rainrestore.models.networks.layers import leaky_convolutions
from rainrestore.physics import RainEstimate
from rainrestore.registry import MODELS


@MODELS.register_module()
class RainMixture(BaseModule):
    """Several rain removal modules, with one weight per module and image (mixture of experts, Jacobs et al. 1991).

    Expert k estimates J_k, S_k, T_k and A_k. A gate, a small CNN, computes the weights ``w = softmax(gate(I, J_1, T_1,
    ..., J_n, T_n))``. The estimate is the weighted mean ``X = sum_k w_k X_k`` for X = J, S, T and A. This combines a
    network for one kind of rain, which is accurate only there, with a network for any rain. The experts get no gradient
    through the inputs of the gate.

    Args:
        experts: Configs of rain removal modules, such as :class:`HRRM`; at least two.
        channels: Width of the gate.
        init_cfg: Initialization config of mmengine.

    Raises:
        ValueError: Fewer than two experts.
    """

    def __init__(self, experts: Sequence[dict], channels: int = 32, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if len(experts) < 2:
            raise ValueError(f'RainMixture: experts must be at least two rain removal modules, got {len(experts)}')
        self.experts = ModuleList(MODELS.build(expert) for expert in experts)
        self.gate = nn.Sequential(
            *leaky_convolutions(3 + 4 * len(experts), [(channels, 1), (channels, 2), (channels, 2)]),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, len(experts)),
        )

    def forward(self, image: Tensor) -> RainEstimate:
        """I (N, 3, h, w) in [0, 1] -> :class:`RainEstimate`."""
        estimates = [expert(image) for expert in self.experts]
        seen = [image, *(x.detach() for estimate in estimates for x in (estimate.lr, estimate.transmission))]
        weights = self.gate(torch.cat(seen, 1)).float().softmax(1)[..., None, None, None]
        return RainEstimate(*((weights * torch.stack(maps, 1)).sum(1) for maps in zip(*estimates, strict=True)))
