"""File names from user data, restricted to one folder."""

from pathlib import Path

from rainrestore.errors import ConfigError


def file_inside(folder: Path | str, name: str) -> Path:
    """``folder/name``, if that is a file of the folder itself.

    Raises:
        ConfigError: The name has a folder in it, is absolute, or would leave the folder, as ``../other`` does.
    """
    if not name or name in ('.', '..') or '\0' in name or '/' in name or '\\' in name:
        raise ConfigError(f'{name!r} is no name for a file in {folder}: it has a folder in it; rename the sample')
    return Path(folder) / name
