"""Suggestions for a misspelt name."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """`` (did you mean 'NAME'?)`` with the known name that is nearest, or an empty string where none is near.

    Args:
        name: The name that was given.
        known: The names that exist.
        cutoff: How near it must be, from 0 for any name to 1 for the same but for upper and lower case.
    """
    by_lower = {other.lower(): other for other in known}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    near = near or [other for other in by_lower if name and other.startswith(name.lower())]
    return f' (did you mean {by_lower[near[0]]!r}?)' if near else ''
