"""The folder of a run: locked for one run at a time, with one-line messages if it cannot be written."""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import Timeout
from mmengine.dist import is_main_process

from rainrestore.engine.processes import failing_together
from rainrestore.errors import DISK_ERRORS, ConfigError
from rainrestore.files import file_lock

LOCK, HOLDER = '.lock', '.lock.json'


@contextmanager
def held_folder(folder: Path | str) -> Iterator[None]:
    """The folder of a run; the first process creates (:func:`writable`) and locks it (:func:`locked`).

    Raises:
        ConfigError: The folder cannot be written, or another run has locked it; raised in every process.
    """
    with ExitStack() as stack:
        with failing_together():
            if is_main_process():
                stack.enter_context(writable(folder))
                stack.enter_context(locked(folder))
        yield


@contextmanager
def writable(folder: Path | str) -> Iterator[None]:
    """Create a folder, and turn disk errors inside the block into one-line messages.

    Raises:
        ConfigError: The folder is a file, is read-only or was removed, or the disk is full.
    """
    folder = Path(folder).absolute()
    # No traceback if a log line cannot be written; other files raise an error.
    shown, logging.raiseExceptions = logging.raiseExceptions, False
    hook, threading.excepthook = threading.excepthook, _without_disk_errors
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS and not _inside(error.filename, folder):
            raise
        file = '' if error.filename is None else f' ({error.filename})'
        raise ConfigError(
            f'{folder} cannot be written: {error.strerror or error}{file}; free disk space, or choose another folder'
        ) from error
    finally:
        logging.raiseExceptions, threading.excepthook = shown, hook


def _without_disk_errors(error: threading.ExceptHookArgs) -> None:
    """Print no traceback if a thread, such as TensorBoard's, cannot write; the checkpoint then fails, too."""
    if getattr(error.exc_value, 'errno', None) not in DISK_ERRORS:
        threading.__excepthook__(error)


def _inside(file: object, folder: Path) -> bool:
    """Whether the file of an error is the folder, inside the folder, or a parent of it."""
    if not isinstance(file, (str, os.PathLike)):
        return False
    path = Path(file).absolute()
    return path.is_relative_to(folder) or folder.is_relative_to(path)


@contextmanager
def locked(folder: Path | str) -> Iterator[None]:
    """Lock a folder for this process, so that no other run writes there.

    The kernel releases the lock when the process ends. On a file system without locks, the folder is not locked.

    Raises:
        ConfigError: Another process has locked the folder. The message has its host and process number.
    """
    holder = Path(folder, HOLDER)
    with ExitStack() as stack:
        try:
            held = stack.enter_context(file_lock(Path(folder, LOCK), wait=0))
        except Timeout as error:
            raise ConfigError(
                f'{folder} is in use by another run{_held_by(holder)}: wait for it, stop it, or choose another '
                '--work-dir'
            ) from error
        if held:
            holder.write_text(json.dumps({'host': socket.gethostname(), 'pid': os.getpid(), 'since': time.time()}))
        try:
            yield
        finally:
            if held:
                with suppress(OSError):
                    holder.unlink(missing_ok=True)


def _held_by(holder: Path) -> str:
    try:
        held = json.loads(holder.read_text())
        since = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(float(held['since'])))
        return f' (process {int(held["pid"])} on {held["host"]}, since {since})'
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return ''
