"""Files of ``torch.save``: add a digest, and read them without running code from them."""

import hashlib
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import torch

from rainrestore import compat
from rainrestore.errors import CheckpointError

# Errors of zipfile and torch's unpickler for damaged archives.
_READ_ERRORS = (
    *(pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, TypeError),
    *(LookupError, AttributeError, AssertionError, OverflowError, MemoryError, struct.error),
)
#: The end record of a zip archive without a comment; its last two bytes are the length of the comment.
_END, _END_MARK = 22, b'PK\x05\x06'
_SEAL = b'rainrestore-sha256:'
_DIGITS = 64
#: First bytes of a file of torch.save before torch 1.6, or with ``_use_new_zipfile_serialization=False``.
_LEGACY = b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'


def sealed(content: bytes) -> bytes:
    """Add the SHA-256 of a ``torch.save`` file to the comment of its zip archive.

    torch and zip programs can still read the file. :func:`read_torch_file` checks the digest. It covers all bytes
    before it; the checksums of the archive cover only the members.

    Args:
        content: The bytes of the file.

    Returns:
        The bytes with the digest.
    """
    head = b''.join((content[:-2], struct.pack('<H', len(_SEAL) + _DIGITS), _SEAL))
    return head + hashlib.sha256(head).hexdigest().encode()


def read_torch_file(file: Any, map_location: Any = None) -> Any:
    """Read a file of ``torch.save`` without running code from it.

    The file may contain tensors, plain Python values and the types of :func:`rainrestore.compat.checkpoint_types`.
    ``meta.config``, which mmengine's ``Runner.resume`` would run as Python, is removed. The digest (:func:`sealed`) or,
    without one, the checksums of the archive are checked. The legacy format of torch has neither.

    Args:
        file: Path, or an open file.
        map_location: As in ``torch.load``.

    Raises:
        CheckpointError: The file is missing or damaged, or contains other objects.
    """
    if not isinstance(file, (str, os.PathLike)):
        return _read(file, getattr(file, 'name', 'the checkpoint'), map_location)
    path = Path(file).expanduser()
    if not os.path.isfile(path):
        raise CheckpointError(f'no checkpoint at {path}; give a file or rainrestore://NAME')
    try:
        opened = open(path, 'rb')  # noqa: SIM115  (closed below; its errors differ from the reader's)
    except OSError as error:
        raise CheckpointError(f'{path} cannot be read ({error.strerror})') from error
    with opened:
        return _read(opened, path, map_location)


def _read(file: IO[bytes], name: object, map_location: Any) -> Any:
    try:
        _check(file, name)
        file.seek(0)
        with torch.serialization.safe_globals(compat.checkpoint_types()):
            checkpoint = torch.load(file, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        # Omit torch's advice to allow the object, which is unsafe for a file from another person.
        reason = (str(error).partition('WeightsUnpickler error:')[2] or str(error)).partition(' Please use')[0]
        raise CheckpointError(
            f'{name} is damaged, or contains objects that could run code, and is refused '
            f'({" ".join(reason.split())[:200]})'
        ) from error
    except _READ_ERRORS as error:
        raise CheckpointError(f'{name} is damaged or not a checkpoint ({error})') from error
    return without_config_text(checkpoint)


def _check(file: IO[bytes], name: object) -> None:
    """Raise a CheckpointError or an error of zipfile if the file is damaged."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(len(_LEGACY)) == _LEGACY:
        return
    file.seek(max(size - _END - len(_SEAL) - _DIGITS, 0))
    tail = file.read()
    if tail[_END:-_DIGITS] == _SEAL:
        file.seek(0)
        if hashlib.sha256(file.read(size - _DIGITS)).hexdigest().encode() != tail[-_DIGITS:]:
            raise CheckpointError(f'{name} is damaged: its SHA-256 differs')
    elif not (tail[-_END:].startswith(_END_MARK) and tail.endswith(b'\0\0')):
        raise CheckpointError(f'{name} is truncated, or was not written by torch.save')
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        # torch.save never compresses; a zip bomb does.
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise CheckpointError(f'{name} is damaged, or was not written by torch.save: it is compressed')
        if not tail[_END:-_DIGITS] == _SEAL and (member := archive.testzip()) is not None:
            raise CheckpointError(f'{name} is damaged: the checksum of {member} differs')


def without_config_text(checkpoint: Any) -> Any:
    """A checkpoint without ``meta.config``, which mmengine would run as Python."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict):
        meta.pop('config', None)
    return checkpoint
