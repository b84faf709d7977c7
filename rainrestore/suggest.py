"""Suggestions for a misspelt name."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """A space and ``(did you mean 'NAME'?)`` with the nearest known name, or an empty string if no name is similar.

    Args:
        name: The misspelt name.
        known: The existing names.
        cutoff: Minimum similarity (``difflib`` ratio), 0..1; 1 allows only another case.
    """
    by_lower = {other.lower(): other for other in known}
    similar = get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    similar = similar or [other for other in by_lower if name and other.startswith(name.lower())]
    return f' (did you mean {by_lower[similar[0]]!r}?)' if similar else ''
