"""Whether a difference between two methods is more than the choice of the test faces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CHUNK = 1000


@dataclass(frozen=True)
class PairedDifference:
    """Mean of first - second over the images, and the interval of a paired bootstrap."""

    difference: float
    low: float
    high: float
    images: int
    level: float
    resamples: int
    seed: int

    @property
    def significant(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    first: Sequence[float] | np.ndarray,
    second: Sequence[float] | np.ndarray,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Percentile bootstrap of the mean difference of paired values (Efron 1979).

    Images are drawn with replacement, both methods on the same draw, so the spread between easy and hard faces cancels.
    The interval speaks of other faces of this kind, not of other training seeds.

    Args:
        first: A value an image.
        second: The values of the other method on the same images in the same order.
        level: Coverage of the interval.
        resamples: Number of draws.
        seed: Of the draws; the same seed gives the same interval.

    Raises:
        ValueError: The two have different lengths, fewer than two images, or values that are not finite.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f'paired values need one length, got {first.shape} and {second.shape}')
    if len(first) < 2:
        raise ValueError(f'a bootstrap needs at least two images, got {len(first)}')
    differences = first - second
    if not np.isfinite(differences).all():
        raise ValueError('a value is not finite')
    if not 0 < level < 1:
        raise ValueError(f'level is between 0 and 1, got {level}')
    rng = np.random.default_rng(seed)
    means = np.concatenate([
        differences[rng.integers(0, len(differences), (min(CHUNK, resamples - start), len(differences)))].mean(1)
        for start in range(0, resamples, CHUNK)
    ])  # fmt: skip
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return PairedDifference(
        float(differences.mean()), float(low), float(high), len(differences), level, resamples, seed
    )
