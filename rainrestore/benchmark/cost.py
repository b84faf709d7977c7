"""What a restored face costs: parameters, multiplications, seconds."""

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

from rainrestore.checkpoints import load_weights
from rainrestore.engine.complexity import measure_complexity
from rainrestore.engine.config import load_config
from rainrestore.registry import MODELS

BATCH = 16
ROUNDS = 5


def cost(config: Path, checkpoint: str, options: Mapping[str, Any] | None, side: int) -> dict[str, float]:
    """Parameters of what restores, MACs of one input of this side, and the median seconds a face in batches of 16.

    A network that runs outside torch has the seconds alone.
    """
    model = MODELS.build(load_config(config, options).model).eval()
    if checkpoint != 'none':
        load_weights(model, checkpoint)
    faces = torch.rand(BATCH, 3, side, side, generator=torch.Generator().manual_seed(0))
    seconds = []
    with torch.inference_mode():
        for _ in range(ROUNDS + 1):
            start = time.perf_counter()
            model(faces, mode='tensor')
            seconds.append(time.perf_counter() - start)
    # The first round warms up.
    price: dict[str, float] = {'seconds': median(seconds[1:]) / BATCH}
    if not getattr(model, 'outside_torch', False):
        complexity = measure_complexity(model, side, side)
        price |= {'parameters': complexity.parameters, 'macs': complexity.macs}
    return price
