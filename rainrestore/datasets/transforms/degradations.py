"""The degradations of face renovation (Yang et al. 2020). Each keeps the size of the image.

Lengths are in pixels of an image whose shorter side is :data:`REFERENCE_SIDE` and scale with the shorter side. A
128-pixel and a 512-pixel face are therefore blurred by the same fraction of their side.
"""

import io
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

from rainrestore.datasets.transforms.base import SeededTransform, sample_rng
from rainrestore.errors import ConfigError
from rainrestore.physics import motion_kernel, quantise, resize
from rainrestore.registry import TRANSFORMS
from rainrestore.rules import checked_range

#: The published ranges are in pixels of images with this side.
REFERENCE_SIDE = 512
Range = tuple[float, float]


class Degradation(SeededTransform):
    """Degrade ``img``, or ``gt`` if there is no ``img`` yet; writes ``img``, H x W x 3 uint8 RGB, of the same size.

    The drawn parameters are appended to ``results['degradations']``, a list of dicts.

    Args:
        seed: With an integer, the draws depend on it and the sample's name (val, test). None: new draws at each access
            (training).

    Raises:
        KeyError: A sample without ``gt`` or, with a seed, without ``name``.
        ConfigError: An invalid range.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        image, rng = self.source(results)
        results['img'], drawn = self.degrade(image, rng)
        results['degradations'] = [*results.get('degradations', ()), *drawn]
        return results

    def source(self, results: Mapping[str, Any]) -> tuple[np.ndarray, np.random.Generator]:
        """The image to degrade, and the random generator of the degradation."""
        caller = type(self).__name__
        image = results.get('img', results.get('gt'))
        if image is None or (self.seed is not None and 'name' not in results):
            raise KeyError(
                f"{caller}: the sample needs 'img' or 'gt' and, with a seed, 'name' (FaceDataset writes them)"
            )
        return image, sample_rng(self.seed, f'{caller}:{results.get("name", "")}')

    @abstractmethod
    def degrade(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """H x W x 3 uint8 -> the degraded image of the same size, and the drawn parameters for JSON."""


def build_degradations(steps: Sequence[Mapping[str, Any]], option: str) -> list[Degradation]:
    """Build the degradations of a transform that applies several.

    Raises:
        ConfigError: A config is no degradation. The message names the transform and the option.
    """
    built: list[Degradation] = [TRANSFORMS.build(dict(step)) for step in steps]
    others = [type(step).__name__ for step in built if not isinstance(step, Degradation)]
    if others:
        raise ConfigError(f'{option} must be degradations, got {others}')
    return built


def in_turn(
    steps: Sequence[Degradation], image: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Apply degradations in order; returns the image and all drawn parameters."""
    drawn: list[dict[str, Any]] = []
    for step in steps:
        image, new = step.degrade(image, rng)
        drawn += new
    return image, drawn


def _scale(image: np.ndarray) -> float:
    return min(image.shape[:2]) / REFERENCE_SIDE


def _drawn(name: str, **values: float | str) -> list[dict[str, Any]]:
    return [{'degradation': name, **values}]


@TRANSFORMS.register_module()
class DownsampleAndBack(Degradation):
    """Shrink the sides by the factor ``ratio`` (antialiased bicubic) and enlarge them again (bicubic).

    Args:
        ratio: (low, high) of the factor; 0.125 to 0.25 as published.
        seed: See :class:`Degradation`.
    """

    def __init__(self, ratio: Range = (0.125, 0.25), seed: int | None = None) -> None:
        super().__init__(seed)
        self.ratio = checked_range(ratio, 'DownsampleAndBack: ratio', 1e-3)

    def degrade(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """See :class:`Degradation`."""
        ratio = rng.uniform(*self.ratio)
        height, width = image.shape[:2]
        small = resize(image, max(round(height * ratio), 1), max(round(width * ratio), 1))
        return quantise(resize(small, height, width)), _drawn('downsample', ratio=ratio)


@TRANSFORMS.register_module()
class Mosaic(Degradation):
    """Replace each block of pixels by its average.

    Args:
        block: Side of a block in pixels of a 512-pixel image; 16 as published. Not random.
        seed: See :class:`Degradation`.
    """

    def __init__(self, block: float = 16, seed: int | None = None) -> None:
        super().__init__(seed)
        self.block = checked_range((block, block), 'Mosaic: block', 1)[0]

    def degrade(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """See :class:`Degradation`."""
        side = max(round(self.block * _scale(image)), 1)
        height, width = image.shape[:2]
        rows, columns = math.ceil(height / side), math.ceil(width / side)
        # If the side of the image is no multiple of the block, the last block is smaller.
        index = np.arange(height)[:, None] // side * columns + np.arange(width) // side
        count = np.bincount(index.ravel(), minlength=rows * columns)
        means = [np.bincount(index.ravel(), image[..., c].ravel(), rows * columns) / count for c in range(3)]
        blocks = np.rint(np.stack(means, 1)).astype(np.uint8)
        return blocks[index], _drawn('mosaic', block=side)


@TRANSFORMS.register_module()
class AdditiveNoise(Degradation):
    """Add noise of one of three kinds, independent for each pixel and channel, in grey levels 0..255.

    Gaussian with standard deviation sigma; Laplace with scale sigma (standard deviation sqrt(2) sigma); or a Poisson
    number with mean lam and a random sign.

    Args:
        kinds: Kinds, chosen with equal probability: ``gaussian``, ``laplace``, ``poisson``.
        sigma: (low, high); 20 to 40 as published.
        lam: (low, high); 15 to 30 as published.
        seed: See :class:`Degradation`.
    """

    def __init__(
        self,
        kinds: Sequence[str] = ('gaussian', 'laplace', 'poisson'),
        sigma: Range = (20, 40),
        lam: Range = (15, 30),
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        known = ('gaussian', 'laplace', 'poisson')
        if not kinds or any(kind not in known for kind in kinds):
            raise ConfigError(f'AdditiveNoise: kinds must be from {", ".join(known)}, got {list(kinds)}')
        self.kinds = tuple(kinds)
        self.sigma = checked_range(sigma, 'AdditiveNoise: sigma', 0)
        self.lam = checked_range(lam, 'AdditiveNoise: lam', 0)

    def degrade(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """See :class:`Degradation`."""
        kind = self.kinds[rng.integers(len(self.kinds))]
        strength = rng.uniform(*(self.lam if kind == 'poisson' else self.sigma))
        if kind == 'gaussian':
            noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(strength)
        elif kind == 'laplace':
            noise = rng.laplace(0, strength, image.shape).astype(np.float32)
        else:
            noise = (rng.poisson(strength, image.shape) * (2 * rng.integers(0, 2, image.shape) - 1)).astype(np.float32)
        noisy = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
        return noisy, _drawn('noise', kind=kind, strength=strength)


@TRANSFORMS.register_module()
class MotionOrDefocusBlur(Degradation):
    """Motion blur of random direction or Gaussian blur, with equal probability.

    Args:
        length: (low, high) of the length of the motion in pixels of a 512-pixel image; 10 to 20 as published.
        sigma: (low, high) of the standard deviation of the Gaussian in the same pixels; 3 to 8 as published.
        seed: See :class:`Degradation`.
    """

    def __init__(self, length: Range = (10, 20), sigma: Range = (3, 8), seed: int | None = None) -> None:
        super().__init__(seed)
        self.length = checked_range(length, 'MotionOrDefocusBlur: length', 0)
        self.sigma = checked_range(sigma, 'MotionOrDefocusBlur: sigma', 1e-3)

    def degrade(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """See :class:`Degradation`."""
        scale = _scale(image)
        if rng.random() < 0.5:
            length, angle = rng.uniform(*self.length), rng.uniform(0, 180)
            blurred = cv2.filter2D(image, -1, motion_kernel(max(length * scale, 1.0), angle))
            return blurred, _drawn('motion', length=length, angle=angle)
        sigma = rng.uniform(*self.sigma)
        return cv2.GaussianBlur(image, (0, 0), sigma * scale), _drawn('defocus', sigma=sigma)


@TRANSFORMS.register_module()
class JPEGArtefacts(Degradation):
    """Compress as JPEG and decode.

    Args:
        compression: (low, high) of 100 - JPEG quality, 0..99; 50 to 85 as published.
        seed: See :class:`Degradation`.
    """

    def __init__(self, compression: Range = (50, 85), seed: int | None = None) -> None:
        super().__init__(seed)
        self.compression = checked_range(compression, 'JPEGArtefacts: compression', 0, 99)

    def degrade(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """See :class:`Degradation`."""
        quality = max(round(100 - rng.uniform(*self.compression)), 1)
        file = io.BytesIO()
        Image.fromarray(image).save(file, 'JPEG', quality=quality)
        with Image.open(file) as stored:
            return np.asarray(stored.convert('RGB')), _drawn('jpeg', quality=quality)


@TRANSFORMS.register_module()
class Sharpening(Degradation):
    """Unsharp masking as cameras and recorders apply it: x + amount (x - Gaussian(x)).

    Args:
        amount: (low, high); 0 keeps the image unchanged.
        sigma: (low, high) of the standard deviation of the Gaussian in pixels of a 512-pixel image.
        seed: See :class:`Degradation`.
    """

    def __init__(self, amount: Range = (0, 1.5), sigma: Range = (4, 16), seed: int | None = None) -> None:
        super().__init__(seed)
        self.amount = checked_range(amount, 'Sharpening: amount', 0)
        self.sigma = checked_range(sigma, 'Sharpening: sigma', 1e-3)

    def degrade(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """See :class:`Degradation`."""
        amount, sigma = rng.uniform(*self.amount), rng.uniform(*self.sigma)
        sharp = image.astype(np.float32)
        sharp += np.float32(amount) * (sharp - cv2.GaussianBlur(sharp, (0, 0), max(sigma * _scale(image), 0.3)))
        return np.clip(np.rint(sharp), 0, 255).astype(np.uint8), _drawn('sharpen', amount=amount, sigma=sigma)


@TRANSFORMS.register_module()
class MixedDegradation(Degradation):
    """Apply several degradations in random order: the input of face renovation.

    Args:
        steps: Configs of the degradations; blur, noise, JPEG and downsampling as published.
        single: Probability that only one of the steps is applied; 0 as published. Each step has the same probability.
        seed: See :class:`Degradation`; seeds of the steps are ignored.
    """

    def __init__(
        self,
        steps: Sequence[Mapping[str, Any]] = (
            {'type': 'MotionOrDefocusBlur'},
            {'type': 'AdditiveNoise'},
            {'type': 'JPEGArtefacts'},
            {'type': 'DownsampleAndBack'},
        ),
        single: float = 0.0,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        if not 0 <= single <= 1:
            raise ConfigError(f'MixedDegradation: single must be a probability, 0 to 1, got {single}')
        self.single = single
        self.steps = build_degradations(steps, 'MixedDegradation: steps')
        if not self.steps:
            raise ConfigError('MixedDegradation: steps must contain at least one degradation')

    def degrade(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """See :class:`Degradation`."""
        if self.single and rng.random() < self.single:
            return self.steps[rng.integers(len(self.steps))].degrade(image, rng)
        return in_turn([self.steps[index] for index in rng.permutation(len(self.steps))], image, rng)
