"""Atomic file writing, and file hashes."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Error numbers of a full disk, an exceeded quota, an exceeded limit of the file size, and a read-only disk.
DISK_ERRORS = {getattr(errno, name, None) for name in ('ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS')} - {None}


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Write a file atomically: yield a temporary file that replaces ``path`` when the block ends without error.

    Missing folders are created. ``path`` is never incomplete, even if the program is killed.

    Raises:
        OSError: The folder cannot be written; ``path`` does not change.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not named after the file, whose name may already have the maximum length. Pillow needs the suffix.
    handle, name = tempfile.mkstemp(prefix='.part-', suffix=path.suffix[:8], dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file in UTF-8 atomically (:func:`whole_file`)."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def sha256_of(path: Path | str) -> str:
    """The SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
