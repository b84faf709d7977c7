"""Safe file names from user data."""

from pathlib import Path

from rainrestore.errors import ConfigError


def file_inside(folder: Path | str, name: str) -> Path:
    """The path ``folder/name``. The name must be a plain file name.

    Raises:
        ConfigError: The name is empty, absolute or contains a folder, such as ``../other``.
    """
    if not name or name in ('.', '..') or '\0' in name or '/' in name or '\\' in name:
        raise ConfigError(f'{name!r} is not a file name in {folder}: it contains a folder; rename the sample')
    return Path(folder) / name
