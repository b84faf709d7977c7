"""Import optional packages, with an error message that contains the installation command."""

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

from rainrestore.errors import MissingPackageError


def installer(*options: str) -> str:
    """The command that installs the packages of ``requirements/``. Only a clone contains the installer, not a wheel."""
    command = ' '.join(('python tools/install.py', *options))
    in_clone = Path(__file__).resolve().parents[1].joinpath('tools', 'install.py').is_file()
    return command if in_clone else f'{command} in a clone of rainrestore'


@cache
def optional_import(module: str, need: str, command: str | None = None) -> ModuleType:
    """Import ``module`` with the patches of :mod:`rainrestore.compat`.

    Args:
        module: Full name, such as ``'mmagic.structures'``.
        need: The feature that needs the module; the subject of the error message.
        command: Command that installs the package; None for :func:`installer`.

    Raises:
        MissingPackageError: The package, or a package that it imports, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f'{need} needs {module.partition(".")[0]}, and {error.name} is not installed: {command or installer()} '
            '(rainrestore doctor lists all missing packages)'
        ) from error


def packaged_file(package: str, file: str, need: str, command: str | None = None) -> Path:
    """The path of a file of an installed package. The package is not imported.

    Args:
        package: Import name of the package.
        file: Path of the file in the folder of the package.
        need: The feature that needs the file; the subject of the error message.
        command: Command that installs the package; None for :func:`installer`.

    Raises:
        MissingPackageError: The package is not installed, or the installed release does not have the file.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingPackageError(f'{need} needs {package}, which is not installed: {command or installer()}')
    path = Path(spec.origin).parent / file
    if not path.is_file():
        raise MissingPackageError(f'{need} needs {file} of {package}; {path} is missing: {command or installer()}')
    return path
