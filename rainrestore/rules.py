"""Rules for the values of keys, in configs and in the index of a zoo."""

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """A rule for the value of a key: a description, a check, and whether the key is required."""

    description: str
    is_valid: Callable[[Any], bool]
    required: bool = False


def is_count(value: Any) -> bool:
    """Whether a value is an integer of at least 0, not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, not a bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


COUNT = Rule('a non-negative integer', is_count)
NUMBER = Rule('a number', is_number)
