"""Packages that not every use needs: imported where they are used, and named where they are missing."""

import importlib
from functools import cache
from types import ModuleType

from rainrestore import compat
from rainrestore.errors import MissingPackageError

INSTALLER = 'python tools/install.py'


@cache
def optional_import(module: str, need: str, command: str = INSTALLER) -> ModuleType:
    """Import ``module`` on the stack as :mod:`rainrestore.compat` mends it.

    Args:
        module: full name, such as ``'mmagic.structures'``.
        need: what asks for it, the subject of the error message.
        command: what installs it.

    Raises:
        MissingPackageError: it, or a package that it imports, is not installed.
    """
    compat.apply()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f'{need} needs {module.partition(".")[0]}, and {error.name} is not installed: {command} '
            '(rainrestore doctor says what else is missing)'
        ) from error
