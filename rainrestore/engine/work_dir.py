"""The folder of a run: one run at a time, and one line where it cannot be written."""

import errno
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from mmengine.dist import is_main_process

from rainrestore.engine.processes import failing_together
from rainrestore.errors import ConfigError
from rainrestore.files import DISK_ERRORS

LOCK, HOLDER = '.lock', '.lock.json'
# A network disk without locks.
_NO_LOCKS = {getattr(errno, name, None) for name in ('ENOLCK', 'ENOTSUP', 'EOPNOTSUPP')} - {None}


@contextmanager
def held_folder(folder: Path | str) -> Iterator[None]:
    """The folder of a run: the first process makes, tests (:func:`writable`) and locks (:func:`locked`) it.

    Raises:
        ConfigError: It cannot be written, or another run holds it; in every process.
    """
    with ExitStack() as stack:
        with failing_together():
            if is_main_process():
                stack.enter_context(writable(folder))
                stack.enter_context(locked(folder))
        yield


@contextmanager
def writable(folder: Path | str) -> Iterator[None]:
    """Make a folder, and turn every error of the disk inside it into one line.

    Raises:
        ConfigError: The folder is a file, is read-only or gone, or the disk is full.
    """
    folder = Path(folder).absolute()
    # No traceback for a log line that cannot be written; important files raise an error.
    shown, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS and not _inside(error.filename, folder):
            raise
        file = '' if error.filename is None else f' ({error.filename})'
        raise ConfigError(
            f'{folder} cannot be written: {error.strerror or error}{file}; make room, or choose another folder'
        ) from error
    finally:
        logging.raiseExceptions = shown


def _inside(file: object, folder: Path) -> bool:
    """Whether an error is about the folder, something in it, or a part of its path."""
    if not isinstance(file, (str, os.PathLike)):
        return False
    path = Path(file).absolute()
    return path.is_relative_to(folder) or folder.is_relative_to(path)


@contextmanager
def locked(folder: Path | str) -> Iterator[None]:
    """Hold a folder for this process, so that no other run writes there.

    The lock is the kernel's: it goes with the process, however that ends. A disk that knows no locks goes without.

    Raises:
        ConfigError: Another process holds it; the message names its host and number.
    """
    lock = FileLock(Path(folder, LOCK), timeout=0)
    holder = Path(folder, HOLDER)
    if not _acquired(lock, holder):
        yield
        return
    try:
        holder.write_text(json.dumps({'host': socket.gethostname(), 'pid': os.getpid(), 'since': time.time()}))
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _acquired(lock: FileLock, holder: Path) -> bool:
    """Whether the lock is held now; False where the disk knows none."""
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f'{holder.parent} is in use by another run{_held_by(holder)}: wait for it, stop it, or choose another '
            '--work-dir'
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def _held_by(holder: Path) -> str:
    try:
        held = json.loads(holder.read_text())
        since = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(float(held['since'])))
        return f' (process {int(held["pid"])} on {held["host"]}, since {since})'
    except (OSError, ValueError, TypeError, KeyError):
        return ''
