"""Atomic file writing, file hashes, and safe file names."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rainrestore.errors import ConfigError, WriteError

# Errors of a network file system without locks.
_NO_LOCKS = {getattr(errno, name, None) for name in ('ENOLCK', 'ENOTSUP', 'EOPNOTSUPP')} - {None}


@contextmanager
def file_lock(path: Path | str, wait: float = -1) -> Iterator[bool]:
    """Lock a file for this process; the kernel releases the lock when the process ends.

    Args:
        path: The file of the lock; it is created, and remains.
        wait: Seconds to wait for another process; -1 waits without limit.

    Yields:
        Whether the file is locked; False on a file system without locks.

    Raises:
        filelock.Timeout: Another process has the lock.
    """
    # Imported here, because it imports asyncio, and most commands lock no file.
    from filelock import FileLock

    lock = FileLock(path, timeout=wait)
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Write a file atomically: yield a temporary file that replaces ``path`` when the block ends without error.

    Missing folders are created. ``path`` is never incomplete, even if the program is killed.

    Raises:
        WriteError: ``path`` cannot be written; it does not change.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not named after the file, whose name may already have the maximum length. Pillow needs the suffix.
        handle, name = tempfile.mkstemp(prefix='.part-', suffix=path.suffix[:8], dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _write_error(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        # A write names no file. An error that names another file, such as the source of a copy, is no failed write.
        if error.errno is None or str(error.filename or name) != name:
            raise
        raise _write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: Path | str) -> None:
    """Create a folder and its parents, if they do not exist.

    Raises:
        WriteError: The folder cannot be created.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _write_error(Path(path), error) from error


def check_place(path: Path) -> None:
    """Check before a long computation that its result can have this path.

    Raises:
        WriteError: ``path`` is a folder, or a file is in the place of one of its folders.
    """
    if os.path.isdir(path):
        raise WriteError(errno.EISDIR, 'it is a folder', str(path))
    if any(os.path.isfile(parent) for parent in path.parents):
        raise _write_error(path, NotADirectoryError(errno.ENOTDIR, ''))


def _write_error(path: Path, error: OSError) -> WriteError:
    """The error of a failed write to ``path``. The reason names a file in the place of a folder."""
    file = next((parent for parent in path.parents if os.path.isfile(parent)), None)
    return WriteError(error.errno, error.strerror if file is None else f'{file} is not a folder', str(path))


def write_text(path: Path | str, text: str) -> None:
    """Write a text file in UTF-8 atomically (:func:`whole_file`)."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def sha256_of(path: Path | str) -> str:
    """The SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def file_inside(folder: Path | str, name: str) -> Path:
    """The path ``folder/name``. The name must be a plain file name.

    Raises:
        ConfigError: The name is empty, absolute or contains a folder, such as ``../other``.
    """
    if not name or name in ('.', '..') or '\0' in name or '/' in name or '\\' in name:
        raise ConfigError(f'{name!r} is not a file name in {folder}: it contains a folder; rename the sample')
    return Path(folder) / name
