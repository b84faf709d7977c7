"""Errors of the input: a wrong path, a damaged file, a name that does not exist.

The command line turns any of them into one line and exit code 2; every other exception is a defect of the program and
keeps its traceback.
"""

import os


class RainRestoreError(Exception):
    """Base of all errors of this package whose message states the problem and the remedy."""


class ConfigError(RainRestoreError):
    """A config, or an option on the command line, asks for something that does not exist or does not fit."""


class CheckpointError(RainRestoreError):
    """A checkpoint is missing, damaged, or belongs to another network."""


class NonFiniteError(RainRestoreError):
    """A training's losses or weights have become infinite or NaN."""


class MissingPackageError(RainRestoreError):
    """A package that only some uses need is not installed."""


class DatasetError(RainRestoreError, ValueError):
    """A data set that cannot be used; the message names the folder or file and the remedy."""


class NamedError(RainRestoreError, ValueError):
    """An error of one picture or file.

    Attributes:
        name: The name of the picture or the path of the file.
        reason: The problem and the remedy.
    """

    def __init__(self, name: str | os.PathLike[str], reason: str) -> None:
        self.name = str(name)
        self.reason = reason
        super().__init__(f'{self.name}: {reason}')

    def __reduce__(self) -> tuple[type['NamedError'], tuple[str, str]]:
        # The default would pass the message alone to __init__, and the error would be lost between processes.
        return type(self), (self.name, self.reason)


class ImageFileError(NamedError, DatasetError):
    """A file that cannot be used as a picture or a label map."""

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.name


class PictureError(NamedError):
    """A picture that cannot be restored."""


class RainRangesError(ConfigError, ValueError):
    """A rain distribution that does not exist or is impossible; the message names the range."""


class ExportError(RainRestoreError):
    """A network that cannot be exported, or whose exported file gives another result."""


class RunError(RainRestoreError):
    """A training or a test in another process has failed; the message has the end of its log."""


class BudgetError(RainRestoreError):
    """The output folder has runs of another budget, or the budget is impossible."""
