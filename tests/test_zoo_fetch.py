"""Downloads of zoo files: complete or absent for every behaviour of the server, once for several processes."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from zoos import add_model, write_zoo

from rainrestore.checkpoints import load_checkpoint
from rainrestore.errors import CheckpointError
from rainrestore.zoo import fetch as fetching
from rainrestore.zoo.fetch import cache_folder, cached_file, fetch
from rainrestore.zoo.files import file_state
from rainrestore.zoo.index import Zoo

ROOT = Path(__file__).resolve().parents[1]
CONTENT = np.random.default_rng(2022).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = 'tiny.safetensors'
HALF = 150_000


class Server(ThreadingHTTPServer):
    """The first folder of the address selects the behaviour; the server stores the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.content = CONTENT

    def url(self, manner: str) -> str:
        return f'http://127.0.0.1:{self.server_port}/{manner}'


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        manner = self.path.split('/')[1]
        wanted = self.headers.get('Range')
        first = len(self.server.asked) == 0
        self.server.asked.append((self.path, wanted))
        content = self.server.content
        if manner == 'absent':
            self.send_error(404)
        elif manner == 'busy' and first:
            self.send_error(503)
        elif manner == 'to_file':
            self.redirect(f'file://{Path(__file__).resolve()}')
        elif manner == 'moved':
            self.redirect(self.path.replace('moved', 'whole'))
        elif manner == 'wrong':
            self.send(bytes(len(content)))
        elif manner == 'longer':
            self.send(content + b'more')
        elif manner == 'shorter':
            self.send(content[:HALF], wanted)
        elif manner == 'always_cut':
            self.send(content, wanted, most=60_000)
        elif manner == 'elsewhere' and wanted:
            self.send(content, 'bytes=7-')
        else:
            # complete answers, and answers that are interrupted once
            most = HALF if first and manner in ('cut', 'no_range', 'elsewhere') else None
            self.send(content, None if manner == 'no_range' else wanted, most)

    def redirect(self, url: str) -> None:
        self.send_response(302)
        self.send_header('Location', url)
        self.end_headers()

    def send(self, content: bytes, wanted: str | None = None, most: int | None = None) -> None:
        start = int(wanted.removeprefix('bytes=').rstrip('-')) if wanted else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header('Content-Length', str(len(content) - start))
        if wanted:
            self.send_header('Content-Range', f'bytes {start}-{len(content) - 1}/{len(content)}')
        self.end_headers()
        self.wfile.write(content[start : None if most is None else start + most])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv('RAINRESTORE_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(fetching, 'PAUSE', 0.0)
    for variable in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(variable, raising=False)
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True).start()
        yield running
        running.shutdown()


def get(server: Server, monkeypatch: pytest.MonkeyPatch, manner: str) -> Path:
    monkeypatch.setenv('RAINRESTORE_ZOO_URL', server.url(manner))
    return fetch(NAME, SHA256, len(CONTENT))


def left() -> list[str]:
    """The files in the cache, without the locks."""
    return sorted(path.name for path in cache_folder().iterdir() if path.suffix != '.lock')


@pytest.mark.parametrize(
    ('manner', 'ranges'),
    [
        ('whole', [None]),
        ('moved', [None, None]),
        ('busy', [None, None]),
        ('cut', [None, f'bytes={HALF}-']),
        ('no_range', [None, f'bytes={HALF}-']),
        ('elsewhere', [None, f'bytes={HALF}-', None]),
    ],
)
def test_file_is_downloaded_completely(server, monkeypatch, capsys, manner, ranges):
    path = get(server, monkeypatch, manner)
    assert path.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == ranges
    assert left() == [path.name]
    assert '300k/300k' in capsys.readouterr().err
    # The second call uses the cache.
    assert get(server, monkeypatch, manner) == path
    assert len(server.asked) == len(ranges)


def test_interrupted_download_is_continued_by_the_next_call(server, monkeypatch):
    monkeypatch.setattr(fetching, 'ATTEMPTS', 1)
    with pytest.raises(CheckpointError, match=r'ended after 150000 of 300000 bytes.*again to resume'):
        get(server, monkeypatch, 'cut')
    assert left() == [f'{cached_file(NAME, SHA256).name}.part']
    assert get(server, monkeypatch, 'cut').read_bytes() == CONTENT
    assert server.asked[-1] == (f'/cut/{NAME}', f'bytes={HALF}-')


def test_repeated_interruptions_are_an_error_and_keep_the_partial_file(server, monkeypatch):
    with pytest.raises(CheckpointError, match='ended after 180000 of 300000 bytes, 3 times'):
        get(server, monkeypatch, 'always_cut')
    monkeypatch.setattr(fetching, 'ATTEMPTS', 1)
    with pytest.raises(CheckpointError, match='240000 of 300000'):
        get(server, monkeypatch, 'always_cut')
    assert get(server, monkeypatch, 'whole').read_bytes() == CONTENT
    assert server.asked[-1][1] == 'bytes=240000-'


@pytest.mark.parametrize(
    ('manner', 'message'),
    [
        ('absent', r'the server answers 404 Not Found; check RAINRESTORE_ZOO_URL'),
        ('wrong', r'is not the published file \(sha256 .*the download was removed'),
        ('longer', r'is not the published file'),
        ('shorter', 'ended after 150000 of 300000'),
        ('to_file', 'the server answers 302'),
    ],
)
def test_wrong_content_is_refused_and_removed(server, monkeypatch, manner, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        get(server, monkeypatch, manner)
    assert server.url(manner) in str(caught.value)
    assert [name for name in left() if not (manner == 'shorter' and name.endswith('.part'))] == []
    # The correct file can be downloaded afterwards.
    assert get(server, monkeypatch, 'whole').read_bytes() == CONTENT


def test_damaged_file_in_the_cache_is_downloaded_again(server, monkeypatch):
    path = get(server, monkeypatch, 'whole')
    path.write_bytes(bytes(10))
    assert get(server, monkeypatch, 'whole').read_bytes() == CONTENT
    server.content = bytes(20)
    other = fetch(NAME, hashlib.sha256(server.content).hexdigest(), 20)
    assert (other.read_bytes(), path.read_bytes()) == (server.content, CONTENT)


def test_unreachable_server_is_named(monkeypatch, tmp_path, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(CheckpointError, match='no connection'):
        get(server, monkeypatch, 'whole')


def test_two_simultaneous_processes_download_once(server, monkeypatch, tmp_path):
    program = f'from rainrestore.zoo.fetch import fetch; print(fetch({NAME!r}, {SHA256!r}, {len(CONTENT)}))'
    environment = {**os.environ, 'RAINRESTORE_ZOO_URL': server.url('whole'), 'PYTHONPATH': str(ROOT)}
    processes = [
        subprocess.Popen([sys.executable, '-c', program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    paths = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_second_process_waits_for_the_first(server, monkeypatch):
    """The test holds the lock in the same process. The file that appears meanwhile is used unchanged."""
    target = cached_file(NAME, SHA256)
    target.parent.mkdir(parents=True)
    found: list[Path] = []
    with fetching.FileLock(target.with_name(f'.{target.name}.lock')):
        waiting = threading.Thread(target=lambda: found.append(get(server, monkeypatch, 'whole')))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        target.write_bytes(CONTENT)
    waiting.join(30)
    assert found == [target]
    assert server.asked == []


def test_folder_can_be_the_address(monkeypatch, tmp_path):
    monkeypatch.setenv('RAINRESTORE_CACHE', str(tmp_path / 'cache'))
    folder = tmp_path / 'with a space'
    folder.mkdir()
    monkeypatch.setenv('RAINRESTORE_ZOO_URL', folder.as_uri())
    with pytest.raises(CheckpointError, match='No such file'):
        fetch(NAME, SHA256, len(CONTENT))
    (folder / NAME).write_bytes(CONTENT)
    assert fetch(NAME, SHA256, len(CONTENT)).read_bytes() == CONTENT


def test_missing_or_unsupported_address_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv('RAINRESTORE_CACHE', str(tmp_path / 'cache'))
    monkeypatch.delenv('RAINRESTORE_ZOO_URL', raising=False)
    with pytest.raises(CheckpointError, match=r'tiny\.safetensors is not part of this installation.*RAINRESTORE_ZOO'):
        fetch(NAME, SHA256, len(CONTENT))
    for address in ('ftp://example.org', 'data:text/plain,x', '/a/folder'):
        monkeypatch.setenv('RAINRESTORE_ZOO_URL', address)
        with pytest.raises(CheckpointError, match='must begin with one of file://, http://, https://'):
            fetch(NAME, SHA256, len(CONTENT))


def test_unwritable_cache_is_named(monkeypatch, tmp_path):
    (tmp_path / 'cache').write_text('a file')
    monkeypatch.setenv('RAINRESTORE_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('RAINRESTORE_ZOO_URL', tmp_path.as_uri())
    with pytest.raises(CheckpointError, match='set RAINRESTORE_CACHE to a writable folder'):
        fetch(NAME, SHA256, len(CONTENT))


def test_cache_folder_is_set_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv('RAINRESTORE_CACHE', raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert cache_folder() == tmp_path / 'xdg' / 'rainrestore' / 'zoo'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert cache_folder() == tmp_path / '.cache' / 'rainrestore' / 'zoo'
    monkeypatch.setenv('RAINRESTORE_CACHE', '~/elsewhere')
    assert cache_folder() == tmp_path / 'elsewhere' / 'zoo'


def test_model_name_downloads_a_file_that_is_not_bundled(server, monkeypatch, tmp_path):
    weights = {'generator.weight': torch.arange(4.0)}
    entry = add_model(tmp_path / 'zoo', 'tiny', weights)
    zoo = write_zoo(tmp_path / 'zoo', entry)
    monkeypatch.setattr(Zoo, 'bundled', lambda: zoo)
    monkeypatch.setenv('RAINRESTORE_ZOO_URL', server.url('cut'))
    assert file_state(entry) == 'bundled'
    server.content = (zoo.files / NAME).read_bytes()
    (zoo.files / NAME).unlink()
    assert file_state(entry) == 'remote'
    loaded = load_checkpoint('rainrestore://tiny')
    assert torch.equal(loaded['state_dict']['generator.weight'], weights['generator.weight'])
    assert file_state(entry) == 'cached'
