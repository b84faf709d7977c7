"""Optional packages: imported where they are used, with an error that says how to install them."""

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

from rainrestore.errors import MissingPackageError


def installer(*options: str) -> str:
    """The command that installs the packages of ``requirements/``: of a clone, which a wheel does not carry."""
    command = ' '.join(('python tools/install.py', *options))
    in_clone = Path(__file__).resolve().parents[1].joinpath('tools', 'install.py').is_file()
    return command if in_clone else f'{command} in a clone of rainrestore'


@cache
def optional_import(module: str, need: str, command: str | None = None) -> ModuleType:
    """Import ``module`` with the corrections of :mod:`rainrestore.compat`.

    Args:
        module: Full name, such as ``'mmagic.structures'``.
        need: The feature that needs it, the subject of the error message.
        command: Command that installs it; None for :func:`installer`.

    Raises:
        MissingPackageError: It, or a package that it imports, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f'{need} needs {module.partition(".")[0]}, and {error.name} is not installed: {command or installer()} '
            '(rainrestore doctor lists all missing packages)'
        ) from error


def packaged_file(package: str, file: str, need: str, command: str | None = None) -> Path:
    """The path of a file of an installed package, without importing it.

    Args:
        package: Its import name.
        file: Path in its folder.
        need: As of :func:`optional_import`.
        command: As there.

    Raises:
        MissingPackageError: The package is not installed, or another release of it without that file.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingPackageError(f'{need} needs {package}, which is not installed: {command or installer()}')
    path = Path(spec.origin).parent / file
    if not path.is_file():
        raise MissingPackageError(f'{need} needs {file} of {package}, and there is no {path}: {command or installer()}')
    return path
