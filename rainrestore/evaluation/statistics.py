"""Significance of the difference between two methods on the same test images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CHUNK = 1000


@dataclass(frozen=True)
class PairedDifference:
    """Mean of first - second over the images, and its confidence interval from a paired bootstrap."""

    difference: float
    low: float
    high: float
    images: int
    level: float
    resamples: int
    seed: int

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    first: Sequence[float] | np.ndarray,
    second: Sequence[float] | np.ndarray,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Percentile bootstrap of the mean difference of paired values (Efron 1979).

    Images are drawn with replacement, the same images for both methods, so the variation between easy and hard faces
    cancels. The interval covers the choice of the test faces, not the training seed.

    Args:
        first: One value per image.
        second: The values of the other method for the same images in the same order.
        level: Confidence level of the interval, between 0 and 1.
        resamples: Number of resamples.
        seed: Seed of the draws; equal seeds give equal intervals.

    Raises:
        ValueError: Different lengths, fewer than two images, values that are not finite, an invalid ``level``, or
            ``resamples`` below 1.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f'paired values must have equal lengths, got {first.shape} and {second.shape}')
    if len(first) < 2:
        raise ValueError(f'the bootstrap needs at least two images, got {len(first)}')
    differences = first - second
    if not np.isfinite(differences).all():
        raise ValueError('a value is not finite')
    if not 0 < level < 1:
        raise ValueError(f'level must be between 0 and 1, got {level}')
    if resamples < 1:
        raise ValueError(f'resamples must be at least 1, got {resamples}')
    rng = np.random.default_rng(seed)
    means = np.concatenate([
        differences[rng.integers(0, len(differences), (min(CHUNK, resamples - start), len(differences)))].mean(1)
        for start in range(0, resamples, CHUNK)
    ])  # fmt: skip
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return PairedDifference(
        float(differences.mean()), float(low), float(high), len(differences), level, resamples, seed
    )
