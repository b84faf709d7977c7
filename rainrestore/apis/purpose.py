"""The purpose of a model: its task, and the size of its training images."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from rainrestore.errors import ConfigError
from rainrestore.physics.rain import REFERENCE_SIDE, RainRanges
from rainrestore.rules import is_count, is_number


@dataclass(frozen=True)
class Task:
    """A kind of restoration.

    Attributes:
        model: The default model of the zoo.
        finds_faces: Whether the task needs face detection in a photo; otherwise it works on whole images.
    """

    model: str
    finds_faces: bool


TASKS = {
    'faces': Task('fcg_gan_blind_x4', finds_faces=True),
    'renovate': Task('hifacegan_128', finds_faces=True),
    'rain': Task('hrrm_scenes', finds_faces=False),
    'raindrops': Task('raindrop_plus', finds_faces=False),
}


@dataclass(frozen=True)
class Purpose:
    """The key ``restoration = dict(task=..., size=...)`` of a config.

    Attributes:
        task: A key of :data:`TASKS`.
        size: Side of the training images in pixels.
        transmission: Largest T in the training; None: from the training pipeline of the config.
        estimator: Model of the zoo that estimates the rain over the faces of a photo; None: the network itself if its
            S, T and A were supervised, otherwise ``hrrm_photos_x4``.
    """

    task: str = 'faces'
    size: int = REFERENCE_SIDE
    transmission: float | None = None
    estimator: str | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any], name: str) -> 'Purpose':
        """Read the purpose from a config; default: faces of 32 pixels.

        Args:
            config: The config.
            name: Name of the model in error messages.

        Raises:
            ConfigError: An unknown key or task, or an invalid value.
        """
        stated = config.get('restoration') or {}
        if not isinstance(stated, Mapping):
            raise ConfigError(f"{name}: restoration must be a dict, such as dict(task='faces'), got {stated!r}")
        known = [field.name for field in fields(cls)]
        if unknown := set(stated) - set(known):
            raise ConfigError(f'{name}: restoration has the keys {", ".join(known)}, got {", ".join(sorted(unknown))}')
        purpose = cls(**stated)
        if purpose.task not in TASKS:
            raise ConfigError(f'{name}: restoration.task must be one of {", ".join(TASKS)}, got {purpose.task!r}')
        if not is_count(purpose.size) or purpose.size < 1:
            raise ConfigError(f'{name}: restoration.size must be a side in pixels, got {purpose.size!r}')
        given = purpose.transmission
        if given is not None and not (is_number(given) and 0 < given <= 1):
            raise ConfigError(f'{name}: restoration.transmission must be above 0 and at most 1, got {given!r}')
        if not isinstance(purpose.estimator, str | None):
            raise ConfigError(
                f'{name}: restoration.estimator must be a model of the zoo or None, got {purpose.estimator!r}'
            )
        return purpose if given is not None else replace(purpose, transmission=_trained_transmission(config))


def _trained_transmission(config: Mapping[str, Any]) -> float:
    """The largest T of the rain in the training pipeline; of ``rain_v1`` if the pipeline has no rain."""
    pipeline = ((config.get('train_dataloader') or {}).get('dataset') or {}).get('pipeline') or ()
    return max(map(_largest_transmission, _steps(pipeline)), default=0) or math.exp(-RainRanges().beta[0])


def _largest_transmission(step: Mapping[str, Any]) -> float:
    """The largest T of a transform; 0 for a transform without rain."""
    default = {'ScaleAwareHeavyRain': 'rain_v1', 'BlindHeavyRain': 'rain_wide'}
    kind = str(step.get('type', '')).rpartition('.')[2]
    # RainAndHaze has T = 1 at the nearest pixel.
    if kind == 'RainAndHaze' or (kind in default and (step.get('dry', 0) or step.get('untouched', 0))):
        return 1.0
    return math.exp(-RainRanges.from_config(step.get('ranges', default[kind])).beta[0]) if kind in default else 0.0


def _steps(pipeline: Any) -> Iterator[Mapping[str, Any]]:
    """The transforms of a pipeline, and those inside of transforms such as ``RandomChoice``."""
    for step in [pipeline] if isinstance(pipeline, Mapping) else pipeline:
        if isinstance(step, Mapping):
            yield step
            yield from _steps(step.get('transforms') or ())
        else:
            yield from _steps(step)
