"""The cost of restoring a face: parameters, multiply-accumulates (MACs), seconds."""

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
    """Measure the cost of a model.

    Args:
        config: Config of the model.
        checkpoint: A file, ``rainrestore://NAME``, or ``none``.
        options: Changes of the config, with dotted keys.
        side: Side of the square input in pixels.
        rounds: Number of timed batches of 16 faces, after one warm-up batch.

    Returns:
        ``parameters``; ``macs`` for one input; ``seconds`` per face, from the median batch. A network that runs outside
        torch has only ``seconds``.
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
    # The first round is the warm-up.
    found: dict[str, float] = {'seconds': median(seconds[1:]) / BATCH}
    if not getattr(model, 'outside_torch', False):
        cost = measure_cost(model, side, side)
        found |= {'parameters': cost.parameters, 'macs': cost.macs}
    return found
