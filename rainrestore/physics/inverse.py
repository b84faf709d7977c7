"""The rain model solved for the clean image."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from rainrestore.physics.rain import Array


class RainEstimate(NamedTuple):
    """Estimates of the terms of eq. 2 for N rainy images of h x w pixels.

    Attributes:
        lr: J, the image without rain, (N, 3, h, w) in [0, 1].
        streak: S, the sum of the rain layers, (N, 3, h, w) in [0, 1].
        transmission: T, (N, 1, h, w) in (0, 1].
        airlight: A, (N, 3, 1, 1) in [0, 1].
    """

    lr: Tensor
    streak: Tensor
    transmission: Tensor
    airlight: Tensor


def invert(I: Array, S: Array, T: Array, A: Array, floor: float = 0.1) -> Array:  # noqa: E741 (the paper's name)
    """Eq. 2 solved for J: J0 = clip((I - (1 - T) * A) / max(T, floor) - S, 0, 1).

    Elementwise with broadcasting, for numpy arrays and torch tensors (shapes as in
    :func:`rainrestore.physics.rain.forward`). Exact where T >= ``floor`` and I is not quantised. The division
    multiplies the quantisation error of an 8-bit I by at most 1 / ``floor``.

    Args:
        I: Observation in [0, 1].
        S: Summed rain layer.
        T: Transmission in (0, 1].
        A: Airlight in [0, 1].
        floor: Lower bound of the divisor T, above 0.

    Raises:
        ValueError: ``floor`` is not positive.
    """
    if not floor > 0:
        raise ValueError(f'invert: floor must be positive, got {floor}')
    veil = (1 - T) * A
    return ((I - veil) / T.clip(min=floor) - S).clip(min=0, max=1)
