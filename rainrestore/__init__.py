"""Restoration of face images in heavy rain (Son & Jeong 2022), built on mmengine."""

from typing import TYPE_CHECKING, Any

from rainrestore import compat, startup

if TYPE_CHECKING:
    from rainrestore.apis import RestorationInferencer, Restorer

__version__ = '0.1.0'
__all__ = ['RestorationInferencer', 'Restorer', '__version__']

# Import hooks, before anything imports mmengine, mmagic or torchvision.
compat.apply()
startup.put_off()


def __getattr__(name: str) -> Any:
    """Import the classes of ``rainrestore.apis`` at their first use, because they import torch and mmengine."""
    if name in ('Restorer', 'RestorationInferencer'):
        from rainrestore import apis

        return getattr(apis, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
