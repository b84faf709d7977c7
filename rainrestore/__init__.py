"""Restoration of faces seen in heavy rain: a pluggable library on mmengine (Son & Jeong 2022)."""

from typing import TYPE_CHECKING, Any

from rainrestore.startup import put_off

if TYPE_CHECKING:
    from rainrestore.apis import RestorationInferencer, Restorer

__version__ = '0.1.0'
__all__ = ['RestorationInferencer', 'Restorer', '__version__']

# Before anything here imports mmengine.
put_off()


def __getattr__(name: str) -> Any:
    """What ``rainrestore.apis`` lends: found when it is asked for, as importing it takes torch and mmengine along."""
    if name in ('Restorer', 'RestorationInferencer'):
        from rainrestore import apis

        return getattr(apis, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
