"""Atomic writing of files, and their hashes."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: A full disk, a quota, a limit on the size of files, a disk that is read-only. A write that fails names no file.
DISK_ERRORS = {getattr(errno, name, None) for name in ('ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS')} - {None}


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """A temporary file beside ``path`` to write to; it takes the place of ``path`` when the block ends without error.

    Missing folders are made. A reader sees the old file or the new one, never a part, even if the program is killed.

    Raises:
        OSError: The folder cannot be written; then ``path`` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Hidden, and not named after the file, whose name may be as long as names can be. Pillow goes by the suffix.
    handle, name = tempfile.mkstemp(prefix='.part-', suffix=path.suffix[:8], dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of(path: Path | str) -> str:
    """The SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
