"""A whole photo without rain: the network's J, in overlapping tiles of the size that it was trained on."""

import itertools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rainrestore.apis.restorer import Restorer
from rainrestore.physics import quantise, resize
from rainrestore.physics.rain import REFERENCE_SIDE

#: Side of a tile, and how far the next one is.
TILE = REFERENCE_SIDE
STEP = 24
#: Tiles that go through the network at a time.
BATCH = 64
#: The network works on no more than this; of a larger photo it sees a smaller copy.
MAX_PIXELS = 2_000_000
#: Least T by which detail is divided.
FLOOR = 0.1


def derain(restorer: Restorer, photo: np.ndarray) -> np.ndarray | None:
    """J of a whole photo, the scene without rain and veil (paper eq. 2).

    The networks know pictures of 32x32, and A as one colour for each of them: the photo is cut into such tiles, and
    their J and T are blended. (On generated scenes of 320x240 J is 1 to 3 dB nearer to the truth this way than from the
    photo as one picture, while the physics inverted with the blended S, T and A is 1 to 2 dB farther.)

    A photo of more than 2 million pixels is brought down first. What that takes away is added to the enlarged J,
    divided by T: the detail of J + S, as T and A are smooth.

    Args:
        restorer: the network.
        photo: H x W x 3 uint8.

    Returns:
        H x W x 3 uint8; None if the network predicts no J.
    """
    height, width = photo.shape[:2]
    shrink = max(1.0, math.sqrt(height * width / MAX_PIXELS))
    size = max(round(height / shrink), 1), max(round(width / shrink), 1)
    seen = resize(photo, *size)
    maps = _blended(restorer, seen)
    if maps is None:
        return None
    lr, transmission = maps
    if shrink > 1:
        detail = photo / np.float32(255) - resize(seen, height, width)
        lr = resize(lr, height, width) + detail / resize(transmission, height, width).clip(min=FLOOR)
    return quantise(lr)


def _blended(restorer: Restorer, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """J (h x w x 3) and T (h x w x 1) of a picture in [0, 1], weighted towards the middle of each tile."""
    height, width = seen.shape[:2]
    tall, wide = min(TILE, height), min(TILE, width)
    weight = (_ramp(tall)[:, None] * _ramp(wide))[..., None]
    lr = np.zeros((height, width, 3), np.float32)
    transmission, total = np.zeros((2, height, width, 1), np.float32)
    places = itertools.product(_starts(height, tall), _starts(width, wide))
    while batch := list(itertools.islice(places, BATCH)):
        tiles = np.stack([seen[top : top + tall, left : left + wide] for top, left in batch])
        maps = _remove_rain(restorer, tiles)
        if maps is None:
            return None
        for place, (top, left) in enumerate(batch):
            at = np.s_[top : top + tall, left : left + wide]
            lr[at] += weight * maps[0][place]
            transmission[at] += weight * maps[1][place]
            total[at] += weight
    return lr / total, transmission / total


@torch.inference_mode()
def _remove_rain(restorer: Restorer, tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """J and T of N x h x w x 3 tiles."""
    inputs = torch.from_numpy(tiles).to(restorer.device).permute(0, 3, 1, 2)
    network: Any = restorer.model
    with torch.autocast(restorer.device.type, torch.bfloat16, enabled=restorer.precision == 'bfloat16'):
        outputs: dict[str, Tensor] = network.remove_rain(inputs)
    if not {'lr_img', 'transmission'} <= outputs.keys():
        return None
    lr, transmission = (outputs[key].float().permute(0, 2, 3, 1).cpu().numpy() for key in ('lr_img', 'transmission'))
    return lr, transmission


def _starts(length: int, tile: int) -> list[int]:
    """Where tiles begin so that they cover all, the last flush with the end."""
    return [*range(0, length - tile, STEP), length - tile]


def _ramp(length: int) -> np.ndarray:
    steps = np.arange(length, dtype=np.float32) + 0.5
    return np.minimum(steps, length - steps)
