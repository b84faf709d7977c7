"""Debian's Chromium without a screen, driven through chromedriver by the W3C WebDriver protocol."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = shutil.which('chromium'), shutil.which('chromedriver')
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason='no Chromium, which pip cannot install: apt-get install chromium chromium-driver'
)

# The flags from no-first-run on stop Chromium's own requests to its maker.
FLAGS = (
    *('--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run'),
    *('--disable-background-networking', '--disable-component-update', '--disable-sync', '--hide-scrollbars'),
)

#: Key -> its code, and the text that it enters.
KEYS = {'Tab': (9, ''), 'Enter': (13, '\r'), 'Space': (32, ' '), 'ArrowLeft': (37, ''), 'ArrowRight': (39, '')}


class Browser:
    """One window. Elements are selected by CSS selectors."""

    def __init__(self, session: str) -> None:
        self.session = session

    def call(self, path: str, value: dict[str, Any] | None = None, method: str = 'POST') -> Any:
        return _call(f'{self.session}/{path}', value, method)

    def element(self, selector: str) -> str:
        found = self.call('element', {'using': 'css selector', 'value': selector})
        return f'element/{next(iter(found.values()))}'

    def click(self, selector: str) -> None:
        self.call(f'{self.element(selector)}/click', {})

    def choose_file(self, selector: str, path: Path) -> None:
        self.call(f'{self.element(selector)}/value', {'text': str(path)})

    def command(self, name: str, **params: Any) -> Any:
        """A command of the Chrome DevTools Protocol."""
        return self.call('goog/cdp/execute', {'cmd': name, 'params': params})

    def press(self, key: str) -> None:
        """Press a key: Tab, Enter, Space or an arrow, such as ArrowLeft."""
        code, text = KEYS[key]
        given = {'windowsVirtualKeyCode': code, 'code': key, 'key': text if key == 'Space' else key}
        self.command('Input.dispatchKeyEvent', type='keyDown', **given, **({'text': text} if text else {}))
        self.command('Input.dispatchKeyEvent', type='keyUp', **given)

    def script(self, code: str, *arguments: Any) -> Any:
        return self.call('execute/sync', {'script': code, 'args': list(arguments)})

    def wait(self, what: Callable[[], Any], seconds: float = 120) -> Any:
        """Wait until ``what()`` returns a true value, and return it."""
        end = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < end, f'waited {seconds} s for: {self.text()}'
            time.sleep(0.2)
        return found

    def text(self) -> str:
        return self.script('return document.body.innerText')

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call('screenshot', method='GET'))

    def requested(self) -> set[str]:
        """The addresses of all requests of the window since the last call."""
        log = self.call('se/log', {'type': 'performance'})
        events = [json.loads(entry['message'])['message'] for entry in log]
        sent = [event['params'] for event in events if event['method'] == 'Network.requestWillBeSent']
        return {params['request']['url'] for params in sent}


@contextmanager
def browser(folder: Path, width: int = 1280, height: int = 900) -> Iterator[Browser]:
    """A browser with its own profile in ``folder``, closed at the end."""
    assert CHROMIUM and DRIVER
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([DRIVER, f'--port={port}', '--silent'], stdout=subprocess.DEVNULL) as driver:
        try:
            base = f'http://127.0.0.1:{port}'
            for _ in range(300):
                time.sleep(0.1)
                with socket.socket() as probe:
                    if probe.connect_ex(('127.0.0.1', port)) == 0:
                        break
            flags = [*FLAGS, f'--user-data-dir={folder / "profile"}', f'--window-size={width},{height}']
            wanted = {
                'browserName': 'chrome',
                'goog:chromeOptions': {'binary': CHROMIUM, 'args': flags},
                'goog:loggingPrefs': {'performance': 'ALL'},
            }
            opened = _call(f'{base}/session', {'capabilities': {'alwaysMatch': wanted}})
            window = Browser(f'{base}/session/{opened["sessionId"]}')
            try:
                yield window
            finally:
                window.call('', method='DELETE')
        finally:
            driver.terminate()


def _call(url: str, value: dict[str, Any] | None, method: str = 'POST') -> Any:
    body = None if method != 'POST' else json.dumps(value or {}).encode()
    request = urllib.request.Request(url.rstrip('/'), body, {'Content-Type': 'application/json'}, method=method)
    # No proxy for connections within this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=300) as answer:
            return json.load(answer)['value']
    except urllib.error.HTTPError as error:
        raise AssertionError(json.load(error)['value']['message'].partition('\n')[0]) from None
