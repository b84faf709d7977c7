"""The errors that a person can cause and mend: a wrong path, a damaged file, a name that does not exist.

The command line turns any of them into one line and exit code 2; every other exception is a defect of the program and
keeps its traceback.
"""


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
