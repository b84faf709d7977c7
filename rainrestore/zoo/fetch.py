"""Files from the address where the zoo lies into the user's cache: whole, checked, once."""

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

from filelock import FileLock
from tqdm import tqdm

from rainrestore.errors import CheckpointError
from rainrestore.files import sha256_of

URL_VARIABLE = 'RAINRESTORE_ZOO_URL'
CACHE_VARIABLE = 'RAINRESTORE_CACHE'
#: Where a release has put the files that its package does not carry; None: nowhere so far.
RELEASE_URL: str | None = None
SCHEMES = ('file', 'http', 'https')
#: A line that is cut is tried again so often, after a pause of so many seconds.
ATTEMPTS, PAUSE = 3, 1.0
TIMEOUT = 30
CHUNK = 1 << 16


class LineCutError(Exception):
    """What came is not all, and asking again may bring the rest."""


class NothingLeftError(LineCutError):
    """What is there is shorter than what has come of it."""


def base_url() -> str | None:
    """The address of the folder that the zoo's files are in, if one is known."""
    return os.environ.get(URL_VARIABLE) or RELEASE_URL


def cache_folder() -> Path:
    """Where downloaded files stay: ``$RAINRESTORE_CACHE/zoo``, else ``rainrestore/zoo`` in the user's cache."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser() / 'zoo'
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'rainrestore' / 'zoo'


def cached_file(file: str, sha256: str) -> Path:
    """Where a file is in the cache. Its hash is in the name, so that another version of it is another file."""
    path = Path(file)
    return cache_folder() / f'{path.stem}-{sha256[:16]}{path.suffix}'


def fetch(file: str, sha256: str, size: int) -> Path:
    """A file of the zoo in the cache, downloaded if it is not there.

    Several processes may ask at once: one downloads, the others wait for it. What an interrupted download has brought
    is gone on with, and nothing is used before its hash is right.

    Args:
        file: Its name, as the index has it.
        sha256: Of what is in it.
        size: In bytes.

    Raises:
        CheckpointError: No address is known or it is none that is read; the file is not there, is another one, or does
            not come whole; the cache cannot be written.
    """
    target = cached_file(file, sha256)
    # Before the lock: a cache that others have filled may be one that cannot be written.
    if target.is_file() and sha256_of(target) == sha256:
        return target
    url = _address(file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f'.{target.name}.lock')):
            if target.is_file():
                # Another process has brought it meanwhile, or it is damaged.
                if sha256_of(target) == sha256:
                    return target
                target.unlink()
            _download(url, target, sha256, size)
    except OSError as error:
        raise CheckpointError(
            f'{url} cannot be kept in {target.parent} ({error}); set {CACHE_VARIABLE} to a folder that can be written'
        ) from error
    return target


def _address(file: str) -> str:
    base = base_url()
    if base is None:
        raise CheckpointError(
            f'{file} is not part of this installation, and it is not known where to get it: set {URL_VARIABLE} to the '
            'address of the folder that holds it, such as https://example.org/zoo or file:///mnt/zoo'
        )
    if urlsplit(base).scheme not in SCHEMES:
        raise CheckpointError(f'{URL_VARIABLE}={base} is no address beginning with {", ".join(SCHEMES)}')
    return f'{base.rstrip("/")}/{quote(file)}'


def _download(url: str, target: Path, sha256: str, size: int) -> None:
    part = target.with_name(f'{target.name}.part')
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _go_on(url, part, size)
            break
        except LineCutError as error:
            if isinstance(error, NothingLeftError):
                part.unlink()
            if attempt == ATTEMPTS:
                raise CheckpointError(
                    f'{url}: {error}, {ATTEMPTS} times; what has come is kept, and the same command goes on with it'
                ) from error
            time.sleep(PAUSE)
    found = sha256_of(part)
    if found != sha256:
        part.unlink()
        raise CheckpointError(
            f'{url} is not the published file (sha256 {found[:16]}..., expected {sha256[:16]}...), and is removed; '
            f'check {URL_VARIABLE}, or that this version of rainrestore goes with what is there'
        )
    os.replace(part, target)


def _go_on(url: str, part: Path, size: int) -> None:
    """Bring what is missing.

    Raises:
        LineCutError: Something is missing still.
        CheckpointError: It will not come.
    """
    have = part.stat().st_size if part.is_file() else 0
    if have > size:
        part.unlink()
        have = 0
    if have == size:
        return
    with _opened(url, have) as (stream, start):
        if start not in (0, have):
            part.unlink()
            raise LineCutError(f'it was asked to go on at byte {have}, and did at {start}')
        with (
            open(part, 'ab' if start else 'wb') as file,
            tqdm(total=size, initial=start, desc=part.name.partition('-')[0], unit='B', unit_scale=True) as bar,
        ):
            have = start
            while chunk := _read(stream):
                have += len(chunk)
                if have > size:
                    break
                file.write(chunk)
                bar.update(len(chunk))
    if have > size:
        part.unlink()
        raise CheckpointError(f'{url} is longer than the published file of {size} bytes, and is removed')
    if have < size:
        raise LineCutError(f'it ended after {have} of {size} bytes')


def _read(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise LineCutError(f'the line was cut ({error or type(error).__name__})') from error


@contextmanager
def _opened(url: str, have: int) -> Iterator[tuple[IO[bytes], int]]:
    """A stream of the file from byte ``have`` on, or from 0 where that is not to be had; and which of the two it is."""
    if urlsplit(url).scheme == 'file':
        path = Path(urllib.request.url2pathname(urlsplit(url).path))
        try:
            file = open(path, 'rb')  # noqa: SIM115  (closed below; its errors are told apart from the reader's)
        except OSError as error:
            raise CheckpointError(f'{url}: {error.strerror}; check {URL_VARIABLE}') from error
        with file:
            file.seek(have)
            yield file, have
        return
    headers = {'User-Agent': 'rainrestore', **({'Range': f'bytes={have}-'} if have else {})}
    try:
        reply: Any = _OPENER.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                raise NothingLeftError(f'the server has nothing from byte {have} on') from error
            if error.code == 429 or error.code >= 500:
                raise LineCutError(f'the server answers {error.code} {error.reason}') from error
            raise CheckpointError(
                f'{url}: the server answers {error.code} {error.reason}; check {URL_VARIABLE}'
            ) from error
    except (OSError, http.client.HTTPException) as error:
        raise LineCutError(f'no connection ({getattr(error, "reason", error)})') from error
    with reply:
        yield reply, _start(reply) if reply.status == 206 else 0


def _start(reply: http.client.HTTPResponse) -> int:
    """Where the part that is sent begins: ``Content-Range: bytes 100-199/200``."""
    first = reply.headers.get('Content-Range', '').removeprefix('bytes ').partition('-')[0]
    return int(first) if first.isdecimal() else -1


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows a server to no other kind of address than its own, or from http to https."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme not in ('https', urlsplit(req.full_url).scheme):
            raise urllib.error.HTTPError(req.full_url, code, f'to {newurl}, which is refused', headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_WebOnly)
