"""Suggestions for a misspelt name."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'NAME'?)`` with the known name that is nearest, or an empty string where none is near.

    Args:
        name: The name that was given.
        known: The names that exist.
    """
    by_lower = {other.lower(): other for other in known}
    near = get_close_matches(name.lower(), by_lower, n=1)
    return f' (did you mean {by_lower[near[0]]!r}?)' if near else ''
