"""Download files of the zoo into the user's cache, and check their published SHA-256."""

import http.client
import os
import ssl
import time
import urllib.error
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from filelock import FileLock
from tqdm import tqdm

from rainrestore.errors import CheckpointError
from rainrestore.files import sha256_of

URL_VARIABLE = 'RAINRESTORE_ZOO_URL'
CACHE_VARIABLE = 'RAINRESTORE_CACHE'
#: Address of the files that are not in the package; None: there is no address yet.
RELEASE_URL: str | None = None
SCHEMES = ('file', 'http', 'https')
#: Number of attempts for a file, and the pause between them in seconds.
ATTEMPTS, PAUSE = 3, 1.0
TIMEOUT = 30
CHUNK = 1 << 16


def base_url() -> str | None:
    """The address of the folder with the files of the zoo, or None."""
    return os.environ.get(URL_VARIABLE) or RELEASE_URL


def cache_folder() -> Path:
    """The folder of downloaded files: ``$RAINRESTORE_CACHE/zoo``, else ``rainrestore/zoo`` in the user's cache."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser() / 'zoo'
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'rainrestore' / 'zoo'


def cached_file(file: str, sha256: str) -> Path:
    """The path of a file in the cache. The name contains the hash, so that versions do not overwrite each other."""
    path = Path(file)
    return cache_folder() / f'{path.stem}-{sha256[:16]}{path.suffix}'


def fetch(file: str, sha256: str, size: int) -> Path:
    """Download a zoo file unless it is in the cache; returns its path in the cache.

    An interrupted download is resumed. If several processes need the file, one downloads it and the others wait.

    Args:
        file: Name of the file in the index.
        sha256: Published hash.
        size: Published number of bytes.

    Raises:
        CheckpointError: There is no address, or its scheme is not supported; the file is missing, incomplete or has
            another hash; or the cache is not writable.
    """
    target = cached_file(file, sha256)
    # Before the lock, which is impossible in a read-only cache.
    if _has_hash(target, sha256):
        return target
    url = _address(file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f'.{target.name}.lock')):
            # Another process may have downloaded it meanwhile.
            if not _has_hash(target, sha256):
                _download(url, target, sha256, size)
    except OSError as error:
        raise CheckpointError(
            f'{url} cannot be stored in {target.parent} ({error}); set {CACHE_VARIABLE} to a writable folder'
        ) from error
    return target


def _has_hash(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _address(file: str) -> str:
    base = base_url()
    if base is None:
        raise CheckpointError(
            f'{file} is not part of this installation; a clone of rainrestore has it in rainrestore/assets/zoo: set '
            f'{URL_VARIABLE} to this folder (file:///PATH/rainrestore/assets/zoo) or to an address that serves it'
        )
    if urlsplit(base).scheme not in SCHEMES:
        starts = ', '.join(f'{scheme}://' for scheme in SCHEMES)
        raise CheckpointError(f'{URL_VARIABLE}={base} must begin with one of {starts}')
    return f'{base.rstrip("/")}/{quote(file)}'


def _download(url: str, target: Path, sha256: str, size: int) -> None:
    part = target.with_name(f'{target.name}.part')
    for attempt in range(ATTEMPTS):
        time.sleep(PAUSE if attempt else 0)
        problem = ''
        try:
            _receive(url, part, size)
        except urllib.error.HTTPError as error:
            problem = f'the server answers {error.code} {error.reason}'
            error.close()
            if error.code == 416:
                # The file at the address is shorter than the downloaded part.
                part.unlink()
            elif error.code != 429 and error.code < 500:
                raise CheckpointError(f'{url}: {problem}; check {URL_VARIABLE}') from error
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            problem = f'no connection ({getattr(error, "reason", error)})'
        if _length(part) >= size:
            break
        problem = problem or f'the download ended after {_length(part)} of {size} bytes'
    else:
        raise CheckpointError(f'{url}: {problem}, {ATTEMPTS} times; run the command again to resume the download')
    if not _has_hash(part, sha256):
        found = sha256_of(part)
        part.unlink()
        raise CheckpointError(
            f'{url} is not the published file (sha256 {found[:16]}..., expected {sha256[:16]}...); the download was '
            f'removed. Check {URL_VARIABLE}: the address may serve another version of rainrestore'
        )
    os.replace(part, target)


def _receive(url: str, part: Path, size: int) -> None:
    """Append the missing bytes to ``part``, or start again if the server does not support it."""
    have = _length(part)
    if have >= size:
        return
    request = Request(url, headers={'User-Agent': 'rainrestore', **({'Range': f'bytes={have}-'} if have else {})})
    with urlopen(request, timeout=TIMEOUT) as reply:
        partial = reply.headers.get('Content-Range')
        if partial and not partial.startswith(f'bytes {have}-'):
            part.unlink()
            return
        have = have if partial else 0
        with (
            open(part, 'ab' if partial else 'wb') as file,
            tqdm(total=size, initial=have, desc=part.name.partition('-')[0], unit='B', unit_scale=True) as bar,
        ):
            # Stop at the published size, even if the file is longer.
            while file.tell() <= size and (chunk := reply.read(CHUNK)):
                file.write(chunk)
                bar.update(len(chunk))
