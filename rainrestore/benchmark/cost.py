"""The cost of restoring a face: parameters, multiply-accumulates, seconds."""

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

from rainrestore.checkpoints import load_weights
from rainrestore.engine.config import load_config
from rainrestore.engine.cost import measure_cost
from rainrestore.registry import MODELS

BATCH = 16
ROUNDS = 5


def cost_of(
    config: Path, checkpoint: str, options: Mapping[str, Any] | None, side: int, rounds: int = ROUNDS
) -> dict[str, float]:
    """Parameters, MACs of one input of this side, and the median seconds for each face in batches of 16.

    A network that runs outside torch has ``seconds`` alone. ``rounds`` batches are timed, after one that is not.
    """
    model = MODELS.build(load_config(config, options).model).eval()
    if checkpoint != 'none':
        load_weights(model, checkpoint)
    faces = torch.rand(BATCH, 3, side, side, generator=torch.Generator().manual_seed(0))
    seconds = []
    with torch.inference_mode():
        for _ in range(rounds + 1):
            start = time.perf_counter()
            model(faces, mode='tensor')
            seconds.append(time.perf_counter() - start)
    # The first round warms up.
    found: dict[str, float] = {'seconds': median(seconds[1:]) / BATCH}
    if not getattr(model, 'outside_torch', False):
        cost = measure_cost(model, side, side)
        found |= {'parameters': cost.parameters, 'macs': cost.macs}
    return found
