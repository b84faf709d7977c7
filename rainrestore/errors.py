"""The errors that a person can cause and mend: a wrong path, a damaged file, a name that does not exist.

The command line turns any of them into one line and exit code 2; every other exception is a defect of the program and
keeps its traceback.
"""

import os


class RainRestoreError(Exception):
    """Base of every error of this package whose message says what was wrong and what to do about it."""


class ConfigError(RainRestoreError):
    """A config, or an option on the command line, asks for something that does not exist or does not fit."""


class CheckpointError(RainRestoreError):
    """A checkpoint is missing, damaged, or belongs to another network."""


class NonFiniteError(RainRestoreError):
    """A training's losses or weights have become infinite or NaN."""


class MissingPackageError(RainRestoreError):
    """A package that only some uses need is not installed."""


class DatasetError(RainRestoreError, ValueError):
    """A data set that cannot be used as it is; the message names the folder or file and says what to do."""


class ImageFileError(DatasetError):
    """One file that cannot be used as a picture or a label map; ``path`` is the file, ``reason`` the cause."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f'{self.path}: {reason}')

    def __reduce__(self) -> tuple[type['ImageFileError'], tuple[str, str]]:
        # The default would call __init__ with the message alone, and the error would be lost between processes.
        return type(self), (self.path, self.reason)
