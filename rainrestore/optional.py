"""Packages that not every use needs: imported where they are used, and named where they are missing."""

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

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
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f'{need} needs {module.partition(".")[0]}, and {error.name} is not installed: {command} '
            '(rainrestore doctor says what else is missing)'
        ) from error


def packaged_file(package: str, file: str, need: str, command: str = INSTALLER) -> Path:
    """A file that an installed package brings along, without importing the package.

    Args:
        package: its import name.
        file: path in its folder.
        need: as of :func:`optional_import`.
        command: as there.

    Raises:
        MissingPackageError: the package is not installed, or another release of it without that file.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingPackageError(f'{need} needs {package}, which is not installed: {command}')
    path = Path(spec.origin).parent / file
    if not path.is_file():
        raise MissingPackageError(f'{need} needs {file} of {package}, and there is no {path}: {command}')
    return path
