"""Rules for the values of keys, in configs and in the index of a zoo."""

import math
import sys
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

from rainrestore.errors import ConfigError


class Rule(NamedTuple):
    """A rule for the value of a key: a description, a check, and whether the key is required."""

    description: str
    is_valid: Callable[[Any], bool]
    required: bool = False


def is_count(value: Any) -> bool:
    """Whether a value is an integer from 0 to the largest of 64 bits, not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) <= sys.maxsize


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, not a bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def checked_range(
    value: Any, name: str, least: float = -math.inf, most: float = math.inf, error: type[ConfigError] = ConfigError
) -> tuple[float, float]:
    """``value`` as (low, high), finite and ascending from at least ``least`` to at most ``most``.

    Raises:
        ConfigError: ``value`` is no such pair; an ``error`` whose message begins with ``name``.
    """
    try:
        low, high = (float(bound) for bound in value)
    except (TypeError, ValueError, OverflowError):
        raise error(f'{name} must be (low, high), two numbers, got {value!r}') from None
    if not (math.isfinite(low) and least <= low <= high < math.inf):
        start = '' if least == -math.inf else f' from at least {least:g}'
        raise error(f'{name} must ascend{start}, got {low:g}, {high:g}')
    if high > most:
        raise error(f'{name} must be at most {most:g}, got {high:g}')
    return low, high


COUNT = Rule('a non-negative integer', is_count)
NUMBER = Rule('a number', is_number)
