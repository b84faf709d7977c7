"""Errors that the user can correct, such as a wrong path, a damaged file or an unknown name.

The command line prints such an error as one line and ends with exit code 2. Other exceptions are defects of the program
and keep their traceback.
"""

import errno
import os

#: Error numbers of a full disk, an exceeded quota, an exceeded limit of the file size, and a read-only disk.
DISK_ERRORS = {getattr(errno, name, None) for name in ('ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS')} - {None}
#: Exit code of a command that was interrupted by Ctrl-C.
EXIT_INTERRUPTED = 130


class RainRestoreError(Exception):
    """Base class of the errors of this package. The message states the problem and the remedy."""


class ConfigError(RainRestoreError):
    """A config or a command-line option has a value that does not exist or does not fit."""


class OptionError(ConfigError, ValueError):
    """A component does not accept the value of an option."""


class ArgumentError(OptionError, TypeError):
    """An argument of a public function has the wrong type."""


class CheckpointError(RainRestoreError):
    """A checkpoint is missing, damaged, or belongs to another network."""


class NonFiniteError(RainRestoreError):
    """The losses or weights of a training are infinite or NaN."""


class WriteError(RainRestoreError, OSError):
    """A file or folder cannot be written; the arguments are those of OSError: number, reason, path."""

    def __str__(self) -> str:
        remedy = 'free some space, or choose another folder' if self.errno in DISK_ERRORS else 'choose another place'
        return f'{self.filename}: cannot be written ({self.strerror}); {remedy}'


class MissingPackageError(RainRestoreError):
    """An optional package is not installed."""


class DatasetError(RainRestoreError, ValueError):
    """A data set cannot be used; the message states the folder or file and the remedy."""


class NamedError(RainRestoreError, ValueError):
    """An error of one image or file.

    Attributes:
        name: The name of the image or the path of the file.
        reason: The problem and the remedy.
    """

    def __init__(self, name: str | os.PathLike[str], reason: str) -> None:
        # The arguments of __init__, with which another process unpickles the error.
        super().__init__(str(name), reason)
        self.name = str(name)
        self.reason = reason

    def __str__(self) -> str:
        return f'{self.name or repr(self.name)}: {self.reason}'


class ImageFileError(NamedError, DatasetError):
    """A file cannot be used as an image or a mask."""


class ImageError(NamedError):
    """An image cannot be restored.

    Attributes:
        found: Number of faces that were found in a photo; None if none were searched.
    """

    def __init__(self, name: str | os.PathLike[str], reason: str, found: int | None = None) -> None:
        super().__init__(name, reason)
        self.found = found


class RainRangesError(ConfigError, ValueError):
    """A rain distribution does not exist or is impossible; the message states the range."""


class ExportError(RainRestoreError):
    """A network cannot be exported, or the exported file computes other results."""


class RunError(RainRestoreError):
    """A training or a test in another process failed; the message contains the end of its log."""


class BudgetError(RainRestoreError):
    """The output folder contains runs with another budget, or the budget is impossible."""
