"""The page over HTTP, with the requests of a browser and with malformed requests."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rainrestore.apis import Restorer
from rainrestore.cli.main import main
from rainrestore.errors import ConfigError
from rainrestore.web.photo_views import MAX_CLIP_BYTES
from rainrestore.web.views import SLIDERS, Score, Studio, View, middle_of

ROOT = Path(__file__).resolve().parents[1]
BICUBIC = ROOT / 'configs' / 'references' / 'bicubic_x4.py'
MIDDLE = {name: middle_of(name) for name in SLIDERS}


gradio = pytest.importorskip('gradio', reason='the page needs Gradio: python tools/install.py --web')
client_module = pytest.importorskip('gradio_client')

from rainrestore.web import page, server  # noqa: E402 (only with Gradio)


class Served:
    """The page in a thread, and every address that the process contacted meanwhile."""

    def __init__(self, app: Any) -> None:
        self.listener = server.open_port('127.0.0.1', 0)
        self.url = f'http://127.0.0.1:{self.listener.getsockname()[1]}/'
        self.server = server.server_of(app)
        self.thread = threading.Thread(target=self.server.run, kwargs={'sockets': [self.listener]})
        self.hosts: set[str] = set()

    def ask(self, path: str = '', **headers: str) -> Any:
        request = urllib.request.Request(self.url + path, headers=headers)
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120)


@pytest.fixture(scope='module')
def served() -> Iterator[Served]:
    """The fastest method behind the page."""
    real = socket.getaddrinfo, socket.socket.connect
    with server.own_temporary_files():
        page = Served(server.create_app(Restorer(BICUBIC, device='cpu')))

        def looked_up(host: Any, *rest: Any, **more: Any) -> Any:
            page.hosts.add(str(host))
            return real[0](host, *rest, **more)

        def connected(self: socket.socket, address: Any) -> Any:
            page.hosts.add(str(address[0]))
            return real[1](self, address)

        socket.getaddrinfo, socket.socket.connect = looked_up, connected  # type: ignore[assignment, method-assign]
        page.thread.start()
        try:
            while not page.server.started:
                time.sleep(0.05)
            yield page
        finally:
            page.server.should_exit = page.server.force_exit = True
            page.thread.join(60)
            page.listener.close()
            socket.getaddrinfo, socket.socket.connect = real  # type: ignore[method-assign]


@pytest.fixture(scope='module')
def client(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp('downloads')
    with pytest.MonkeyPatch.context() as patch:
        # The client sends analytics unless both options are off.
        patch.setenv('GRADIO_ANALYTICS_ENABLED', 'False')
        return client_module.Client(served.url, verbose=False, analytics_enabled=False, download_files=folder)


@pytest.fixture(scope='module')
def portrait(portraits: Path) -> Path:
    return portraits / 'test' / 'img' / 'test_0007.jpg'


def rain(client: Any, path: Any, **changes: float) -> Any:
    # In the order of the page.
    sliders = [name for row in (*page.MAIN_SLIDERS, *page.OTHER_SLIDERS) for name in row]
    settings = {**MIDDLE, **changes}
    return client.predict(path, 3, *(settings[name] for name in sliders), api_name='/rain')


def test_restored_image_is_returned_without_loss(client, portrait):
    (before, after), report = client.predict(client_module.handle_file(portrait), api_name='/restore')
    expected = Studio(Restorer(BICUBIC, device='cpu')).restore(portrait)
    np.testing.assert_array_equal(np.asarray(Image.open(after)), expected.after)
    np.testing.assert_array_equal(np.asarray(Image.open(before)), expected.before)
    assert 'PSNR' not in report and '32x32 to 128x128 pixels' in report


def test_rain_on_a_clean_face_has_scores(client, portrait):
    _, report = rain(client, client_module.handle_file(portrait), beta=0.7, angle=80)
    expected = Studio(Restorer(BICUBIC, device='cpu')).rain(portrait, {**MIDDLE, 'beta': 0.7, 'angle': 80}, 3)
    for row in expected.scores:
        assert f'<td>{row.psnr:.2f}</td><td>{row.ssim:.4f}</td><td>{row.psnr_y:.2f}</td>' in report
    assert 'no border crop' in report


@pytest.mark.parametrize('content, reason', [
    (b'plain text', 'not a readable image'), (b'', 'not a readable image'),
    (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n', 'not a readable image'),
])  # fmt: skip
def test_malicious_upload_is_refused_with_a_message(client, tmp_path, content, reason):
    path = tmp_path / 'face.png'
    path.write_bytes(content)
    with pytest.raises(client_module.exceptions.AppError, match=f'^face.png: {reason}'):
        client.predict(client_module.handle_file(path), api_name='/restore')


def test_missing_image_gives_a_message(client):
    with pytest.raises(client_module.exceptions.AppError, match='Drop an image first'):
        client.predict(None, api_name='/restore')


@pytest.mark.parametrize('path', ['/etc/passwd', str(ROOT / 'setup.py')])
def test_other_files_than_uploads_are_not_read(client, path):
    given = {'path': path, 'meta': {'_type': 'gradio.FileData'}}
    with pytest.raises(client_module.exceptions.AppError):
        client.predict(given, api_name='/restore')


@pytest.mark.parametrize('kind', ['application/json', 'application/x+json', None])
def test_address_instead_of_a_file_is_refused(served, kind):
    given = {'path': 'https://example.com/face.png', 'meta': {'_type': 'gradio.FileData'}}
    body = json.dumps({'data': [given], 'session_hash': 'x', 'fn_index': 0}).encode()
    # urllib makes up a media type if there is none.
    request = urllib.request.Request(f'{served.url}gradio_api/queue/join', body, {'Content-Type': kind or ''})
    with pytest.raises(urllib.error.HTTPError, match='400') as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)
    assert 'addresses are not downloaded' in refused.value.read().decode()
    assert 'example.com' not in served.hosts


def test_slider_value_out_of_range_is_refused(client, portrait):
    with pytest.raises(client_module.exceptions.AppError, match='greater than maximum value 24'):
        rain(client, client_module.handle_file(portrait), length=1e9)


def test_too_large_upload_is_stopped(served):
    boundary, size = 'x' * 20, MAX_CLIP_BYTES + 1
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
    body = head + bytes(size) + f'\r\n--{boundary}--\r\n'.encode()
    request = urllib.request.Request(
        served.url + 'gradio_api/upload', body, {'Content-Type': f'multipart/form-data; boundary={boundary}'}
    )
    with pytest.raises(urllib.error.HTTPError, match='413'):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120)


def test_page_forbids_requests_to_other_servers(served):
    with served.ask() as answer:
        policy, text = answer.headers['Content-Security-Policy'], answer.read().decode()
    assert "default-src 'self'" in policy and 'http' not in policy
    loaded = re.findall(r'<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="([^"]+)"', text)
    assert loaded
    assert not [address for address in loaded if re.match(r'(https?:)?//', address) and served.url not in address]


def test_other_host_names_are_refused(served):
    with pytest.raises(urllib.error.HTTPError, match='400'):
        served.ask(Host='evil.example')
    with served.ask(Host='localhost:7860') as answer:
        assert answer.status == 200


@pytest.mark.parametrize('path', ['gradio_api/file=/etc/passwd', 'gradio_api/file=../setup.py',
                                  f'gradio_api/file={ROOT}/setup.py'])  # fmt: skip
def test_files_outside_the_page_are_not_served(served, path):
    with pytest.raises(urllib.error.HTTPError, match='40'):
        served.ask(path)


def test_server_contacts_no_other_host(served, client, portrait):
    client.predict(client_module.handle_file(portrait), api_name='/restore')
    assert served.hosts <= {'127.0.0.1', 'localhost'}


class Stripped:
    """An application behind a proxy that removes /rain from the addresses."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope['type'] == 'http':
            assert scope['path'].startswith('/rain/')
            path = scope['path'].removeprefix('/rain')
            scope = {**scope, 'path': path, 'raw_path': path.encode()}
        await self.app(scope, receive, send)


def test_page_behind_a_proxy_has_the_path_in_every_address(portrait, tmp_path, monkeypatch):
    monkeypatch.setenv('GRADIO_ROOT_PATH', '/rain')
    monkeypatch.setenv('GRADIO_ANALYTICS_ENABLED', 'False')
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    page = Served(Stripped(server.create_app(Restorer(BICUBIC, device='cpu'))))
    page.thread.start()
    try:
        while not page.server.started:
            time.sleep(0.05)
        with page.ask('rain/') as answer:
            assert f'"root":"{page.url}rain"' in answer.read().decode().replace(' ', '')
        address = f'{page.url}rain/'
        client = client_module.Client(address, verbose=False, analytics_enabled=False, download_files=tmp_path)
        (_, after), _ = client.predict(client_module.handle_file(portrait), api_name='/restore')
        assert Image.open(after).size == (128, 128)
    finally:
        page.server.should_exit = page.server.force_exit = True
        page.thread.join(60)
        page.listener.close()


def test_page_writes_no_files_into_the_package():
    assert not list((ROOT / 'rainrestore').rglob('*.pyi'))


def test_port_in_use_is_named(capsys):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        assert main(['web', '--port', str(taken.getsockname()[1]), '--model', str(BICUBIC)]) == 2
    assert 'choose another' in capsys.readouterr().err


@pytest.mark.parametrize('port', [-1, 70000])
def test_invalid_port_is_an_error(port):
    with pytest.raises(ConfigError, match=f'--port {port}: expected 1 to 65535, or 0 for any free port'):
        server.open_port('127.0.0.1', port)


@pytest.mark.parametrize('host', ['no such host', 'a..b', ''])
def test_a_host_that_does_not_exist_is_no_matter_of_the_port(host):
    with pytest.raises(ConfigError, match=rf"^--host '{host}': .*; give an address of this machine$"):
        server.open_port(host, 0)


def test_names_and_notes_are_escaped_in_html():
    image = np.zeros((4, 4, 3), np.uint8)
    report = page.report_html(
        View('"><script>alert(1)</script>', image, image, notes=['<b>a</b>'], scores=[Score('x', 1, 2, 3, 4)])
    )
    assert '<script' not in report and '<b>' not in report


def test_new_photo_clears_earlier_results_and_downloads(monkeypatch, tmp_path):
    """An upload, the button that removes the file, and a click on an example, in every tab with a picker."""
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    blocks = page.build_page(Studio(Restorer(BICUBIC, device='cpu')))
    named = {block.elem_id: number for number, block in blocks.blocks.items() if getattr(block, 'elem_id', None)}
    tabs = [
        {named[f'rr-{name}-slider'], named[f'rr-{name}-report']} | {named[file] for file in files}
        for name, files in (('photo', ['rr-files']), ('cropped', []), ('rain', []))
    ]
    # The video and its file; its report has no id.
    tabs.insert(1, {named['rr-video'], named['rr-clip-result']})
    cleared: dict[str, list[set[int]]] = {'upload': [], 'clear': [], 'click': []}
    for function in blocks.fns.values():
        outputs = [block._id for block in function.outputs]
        kinds = {
            event
            for number, event in function.targets
            if isinstance(blocks.blocks.get(number), (gradio.File, gradio.Dataset))
        }
        tab = next((tab for tab in tabs if tab <= set(outputs)), None)
        if tab is None or not kinds & cleared.keys():
            continue
        # The spinner of the event that follows is enough.
        assert function.show_progress == 'hidden'
        given = [0] if 'click' in kinds else []
        shown = dict(zip(outputs, asyncio.run(blocks.process_api(function, given))['data'], strict=True))
        for number in tab:
            value = shown[number]
            value = value.get('value') if isinstance(value, dict) else value
            assert value is None or 'The result appears here' in value
        for kind in kinds & cleared.keys():
            cleared[kind].append(tab)
    # There is no example of a video.
    assert cleared == {'upload': tabs, 'clear': tabs, 'click': [tabs[0], *tabs[2:]]}


def test_text_beside_the_spinner_names_the_work(monkeypatch, tmp_path):
    """The search in a photo of 12 megapixels takes a minute."""
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    blocks = page.build_page(Studio(Restorer(BICUBIC, device='cpu')))
    events = {function.api_name: function.fn for function in blocks.fns.values()}
    said: list[Any] = []
    for name, rest in (('find', ()), ('photo', ([], [0], str(BICUBIC), 'keep', 1.0))):
        with pytest.raises(gradio.Error):
            list(events[name]('none.png', *rest, progress=lambda done, unit: said.append((done, unit))))
    assert said == [((1, None), 'photo to search for faces'), ((1, None), 'photo to restore')]


def test_new_file_drops_the_running_events_of_its_tab(monkeypatch, tmp_path):
    """A later result would be shown beside another photo."""
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    blocks = page.build_page(Studio(Restorer(BICUBIC, device='cpu')))
    dropped: dict[tuple[str, str], set[str]] = {}
    for function in blocks.fns.values():
        for number, event in function.targets:
            block = blocks.blocks.get(number)
            if isinstance(block, gradio.File) and event == 'clear':
                dropped.setdefault(block.label, set()).update(
                    str(blocks.fns[other].api_name) for other in function.cancels
                )
    # The other names are those of the examples and sliders.
    public = {'find', 'photo', 'clip', 'restore', 'rain'}
    found = [sorted(names & public) for names in dropped.values()]
    assert found == [['find', 'photo'], ['clip'], ['restore'], ['rain']]


@pytest.mark.slow
def test_terminated_command_leaves_no_files(tmp_path):
    command = [sys.executable, '-m', 'rainrestore.cli.main', 'web', '--port', '0', '--model', str(BICUBIC)]
    environment = {'PYTHONPATH': str(ROOT), 'TMPDIR': str(tmp_path), 'HOME': str(tmp_path), 'PATH': ''}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as process:
        assert process.stdout
        url = re.match(r'http://127\.0\.0\.1:\d+', process.stdout.readline())
        assert url
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url[0], timeout=120) as answer:
            assert answer.status == 200
        assert list(tmp_path.glob('rainrestore-web-*'))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert not list(tmp_path.glob('rainrestore-web-*'))
    assert tempfile.gettempdir() != str(tmp_path)
